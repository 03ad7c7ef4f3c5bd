"""The options that many commands share, each documented once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

from daemon.cli.declared import option
from daemon.cli.exits import CommandError, ExitCode

AsJson = Annotated[bool, option("--json", help="Print the API's JSON exactly as it came.")]
ConfigFile = Annotated[
    Path | None,
    option("--config", metavar="FILE", envvar="KAKIYO_WEBHOOKS_CONFIG", help="The daemon's configuration file (TOML)."),
]
StateDir = Annotated[
    Path | None,
    option("--state-dir", metavar="DIR", help="The daemon's state directory, where operator.key is found."),
]
ApiUrl = Annotated[
    str | None,
    option(
        "--api-url",
        metavar="URL",
        envvar="KAKIYO_WEBHOOKS_API_URL",
        help='Where the API is: "http://host:port" or "unix:/path"; without it, the bind address of the settings.',
    ),
]
TeamFilter = Annotated[
    str | None,
    option("--team", metavar="ID", help="The team; a team's own key needs none."),
]
Limit = Annotated[int | None, option("--limit", min=1, max=200, help="How many to list.")]
Cursor = Annotated[str | None, option("--cursor", help="Go on where the page that gave this cursor ended.")]
AllPages = Annotated[bool, option("--all", help="List all pages.")]
EventsOption = Annotated[
    list[str] | None,
    option("--event", metavar="TYPE", help="An event type to subscribe to, or '*' for all. May be repeated."),
]
WHEN = "A time (2025-07-15T10:30:00Z) or an age (15m, 2h, 7d)."
IdempotencyKey = Annotated[
    str | None,
    option("--idempotency-key", metavar="KEY", help="The same key within 24 h does nothing again."),
]


class Status(StrEnum):
    """What `--status` takes."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What `--outcome` takes."""

    DELIVERED = "delivered"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    TLS_ERROR = "tls_error"
    PROTOCOL_ERROR = "protocol_error"
    BLOCKED_ADDRESS = "blocked_address"
    PROXY_ERROR = "proxy_error"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where the API is, and where its key is found."""

    api_url: ApiUrl = None
    config: ConfigFile = None
    state_dir: StateDir = None


def with_api_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the fields of `ApiOptions` as its last options, which it takes together as `api`."""
    return with_options(api=ApiOptions)(command)


def with_options(**kinds: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a command the fields of these dataclasses as its last options, taken as one value each."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [parameter for name, parameter in signature.parameters.items() if name not in kinds]
        options = {name: inspect.signature(kind).parameters for name, kind in kinds.items()}

        @wraps(command)
        def run(**given: Any) -> None:
            groups = {name: kinds[name](**{each: given.pop(each) for each in of}) for name, of in options.items()}
            command(**given, **groups)

        added = [parameter for of in reversed(options.values()) for parameter in of.values()]
        run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]  # PEP 362
        return run

    return decorate


def idempotency_headers(key: str | None) -> dict[str, str]:
    """Return the header that `--idempotency-key` stands for, if it is given. Raises CommandError."""
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise CommandError(
            "--idempotency-key: take printable ASCII characters, without white space at the ends.", ExitCode.USAGE
        )
    return {"idempotency-key": key}
