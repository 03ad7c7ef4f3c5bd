"""The client of a running daemon's HTTP API (contract "HTTP API"), with its refusals turned into sentences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from daemon.cli.connection import Connection, find_connection
from daemon.cli.exits import CommandError, ExitCode

_TIMEOUT_S = 30
Query = Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer: the body as it came, and as Python values (None for 204)."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Calls to one daemon. Every method raises CommandError when it refuses or cannot be reached."""

    http: httpx.Client
    address: str

    def get(self, path: str, query: Query | None = None) -> Reply:
        """GET; members of `query` that are None are left out."""
        return self._call("GET", path, params=present(query or {}))

    def send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
        """Send `body` as JSON."""
        return self._call(method, path, json=body, headers=headers)

    def send_raw(self, path: str, content: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Reply:
        """POST bytes as they are."""
        return self._call("POST", path, content=content, headers={**(headers or {}), "content-type": media_type})

    def delete(self, path: str) -> Reply:
        """DELETE."""
        return self._call("DELETE", path)

    def pages(self, path: str, query: Query) -> Iterator[Reply]:
        """GET one page after the other, until there is no next cursor."""
        page = self.get(path, query)
        yield page
        while cursor := page.value["nextCursor"]:
            page = self.get(path, {**query, "cursor": cursor})
            yield page

    def _call(self, method: str, path: str, **arguments: Any) -> Reply:
        try:
            response = self.http.request(method, path, **arguments)
        except httpx.TimeoutException:
            raise _unreachable(self.address, f"it did not answer within {_TIMEOUT_S} s") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise CommandError(f"{self.address}: not an address of the API: {error}.", ExitCode.USAGE) from None
        except httpx.TransportError as error:
            raise _unreachable(self.address, str(error) or type(error).__name__) from None
        return _judge(response, self.address)


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that are not None: an option that was not given is no field."""
    return {name: value for name, value in members.items() if value is not None}


def path_of(*segments: str) -> str:
    """Return the path under /v1 with each segment escaped, so that no id can lead elsewhere."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


@contextmanager
def connect(api_url: str | None, config: Path | None, state_dir: Path | None) -> Iterator[Client]:
    """Give the client for the daemon that the options, the environment or the settings name."""
    connection = find_connection(api_url, config, state_dir)
    with _http_client(connection) as http:
        yield Client(http, connection.address)


def _http_client(connection: Connection) -> httpx.Client:
    try:
        return httpx.Client(
            base_url=connection.base_url,
            headers={"authorization": f"Bearer {connection.key}"},
            timeout=_TIMEOUT_S,
            transport=httpx.HTTPTransport(uds=connection.socket_path, trust_env=False),
            trust_env=False,
        )
    except httpx.InvalidURL as error:
        raise CommandError(f"{connection.address}: not an address of the API: {error}.", ExitCode.USAGE) from None


def _unreachable(address: str, reason: str) -> CommandError:
    return CommandError(
        f"The daemon cannot be reached at {address} ({reason}): "
        "start it with `kakiyo-webhooks serve`, or name it with --api-url.",
        ExitCode.UNREACHABLE,
    )


def _judge(response: httpx.Response, address: str) -> Reply:
    if response.is_success:
        return Reply(response.text, _parse(response, address) if response.content else None)
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        raise _stranger(address, f"answered {response.status_code} {response.reason_phrase}")
    exit_code = ExitCode.NOT_FOUND if response.status_code == HTTPStatus.NOT_FOUND else ExitCode.REFUSED
    raise CommandError(_explain(_parse(response, address)), exit_code)


def _parse(response: httpx.Response, address: str) -> Any:
    try:
        return response.json()
    except ValueError:
        raise _stranger(address, "does not answer in JSON") from None


def _stranger(address: str, why: str) -> CommandError:
    return CommandError(f"{address} {why}, so it is not the daemon's API: check --api-url.", ExitCode.UNREACHABLE)


def _explain(problem: Mapping[str, Any]) -> str:
    first = f"{problem.get('detail') or problem.get('title')} ({problem.get('code')})"
    return "\n".join([first, *(f"  {error['path']}: {error['message']}" for error in problem.get("errors") or ())])
