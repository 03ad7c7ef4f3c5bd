"""The daemon's settings: one frozen, validated tree (contract "Configuration").

A TOML file, then the environment (`KAKIYO_WEBHOOKS_` prefix, `__` between levels), then flags; the later wins.
`systemd/config.example.toml` documents every setting with its default.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import orjson
from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from daemon.config.database_url import require_database_url, without_password
from daemon.config.egress_settings import EgressSettings
from daemon.config.fields import FilePath, OptionalPath, Section
from daemon.config.origins import framing_origin, keeps_secrets, public_origin
from daemon.config.place import DEFAULT_BIND, default_state_dir
from daemon.config.sources import ConfigError as ConfigError  # raised here
from daemon.config.sources import environment_source, explain, file_source, flags_source, merge
from daemon.domain.bind_address import parse_bind
from daemon.domain.event_types import LONGEST_NAME, NAME_PATTERN
from daemon.domain.operations import OPERATIONAL_TYPES
from daemon.systemd.credentials import SMTP_PASSWORD, credential

# Most commands read settings only to find the daemon: the model behind the rules, and the library of email addresses,
# take as long to import as the settings themselves.
if TYPE_CHECKING:
    from daemon.domain.policy import Policy

_PRIVATE_NETWORKS = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")


PUBLIC_WITHOUT_TLS = (
    "keys and payloads cross the network readable: put a proxy with TLS before the API and set public_url to its "
    "https address, or bind to 127.0.0.1"
)


# A host's name or an address, or nothing.
_HOST = r"^([^\s\x00-\x20/@\x7f]+)?$"
# A host's name or an address literal (RFC 5321, 4.1.3), or nothing.
_HELO_NAME = r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Za-z.:]+\])?$"
# As people write it in a list.
_NODE_NAME = r"^[A-Za-z0-9._-]*$"


def _as_sent(value: dict[str, Any]) -> dict[str, Any]:
    """Return the example as it is sent: times as text, and no number that JSON has not."""
    try:
        sent: dict[str, Any] = orjson.loads(orjson.dumps(value))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError) as error:
        raise ValueError(f"expected what JSON can hold: {error}") from None
    return sent


_Seconds = Annotated[float, Field(gt=0, le=3600)]
# Shown without its password.
_DatabaseUrl = Annotated[
    str, AfterValidator(require_database_url), PlainSerializer(without_password, when_used="json"), Field(repr=False)
]


class ApiSettings(Section):
    """`[api]`: where the HTTP API listens, how much it takes in at once, and how often a key may ask."""

    bind: str = DEFAULT_BIND
    max_waiting_events: int = Field(10_000, ge=1)
    max_waiting_bytes: int = Field(64 * 1024 * 1024, ge=1)
    max_waiting_deliveries: int = Field(200_000, ge=1)
    webhooks_per_team: int = Field(100, ge=0, le=100_000)
    max_connections: int = Field(1_000, ge=1)
    rate_limit_per_s: float = Field(50, ge=0, le=1_000_000)
    rate_limit_burst: int = Field(200, ge=1, le=1_000_000)
    operator_rate_limit_per_s: float = Field(0, ge=0, le=1_000_000)
    shutdown_delay_s: float = Field(0, ge=0, le=300)

    @field_validator("bind")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return str(parse_bind(value))


class DeliverySettings(Section):
    """`[delivery]`: the deadline, the retries, when a webhook is disabled, how stopping and idling go."""

    timeout_s: _Seconds = 10
    retry_delays_s: tuple[_Seconds, ...] = (1, 2, 4)
    disable_after: int = Field(4, ge=1)
    count: Literal["deliveries", "attempts"] = "deliveries"
    stop_grace_s: float = Field(15, ge=0, le=3600)
    idle_actor_s: _Seconds = 60
    idle_connection_s: _Seconds = 30

    @property
    def policy(self) -> "Policy":
        """The same as the rules take it."""
        from daemon.domain.policy import Policy

        return Policy(self.retry_delays_s, self.disable_after, self.count)


class CreditsSettings(Section):
    """`[credits]`: the price of a successful delivery, and whether an empty balance holds deliveries back."""

    per_delivery: int = Field(2, ge=0)
    enforce: bool = False

    @property
    def exhausted_below(self) -> int | None:
        """The balance below which no delivery can be paid for, so that deliveries wait; None if they never do."""
        return self.per_delivery if self.enforce else None


class SmtpSettings(Section):
    """`[smtp]`: where mail goes out; with no host it is written to a Maildir in the state directory."""

    host: str = Field("", pattern=_HOST, max_length=255)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "starttls"
    username: str = ""
    password_file: OptionalPath = None
    sender: str = Field("webhooks@localhost", alias="from")
    ca_file: OptionalPath = None
    helo_name: str = Field("", pattern=_HELO_NAME, max_length=255)
    operator_address: str = ""

    @field_validator("sender")
    @classmethod
    def _is_an_email_address(cls, value: str) -> str:
        from daemon.domain.email_addresses import parse_sender

        if parse_sender(value) is None:
            raise ValueError('expected an email address: "name@domain" or "Display Name <name@domain>"')
        return value

    @field_validator("operator_address")
    @classmethod
    def _is_an_address_or_nothing(cls, value: str) -> str:
        from daemon.domain.email_addresses import parse_address

        if value and parse_address(value) is None:
            raise ValueError('expected an email address, "name@domain", or nothing')
        return value

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if bool(self.username) != bool(self.password_file or (self.username and credential(SMTP_PASSWORD))):
            raise ValueError("expected username and password_file together, or neither")
        return self


class ConsoleSettings(Section):
    """`[console]`: whose pages may show it in a frame, and whether mails lead into it by portal links."""

    embed_origins: tuple[Annotated[str, AfterValidator(framing_origin)], ...] = Field((), max_length=20)
    mail_link_days: int = Field(0, ge=0, le=7)


class SecretsSettings(Section):
    """`[secrets]`: where the key that seals the webhooks' secrets stands; by default in the state directory."""

    key_file: OptionalPath = None


class StoreSettings(Section):
    """`[store]`: the PostgreSQL database that keeps everything; with no URL it is an SQLite file in `state_dir`."""

    url: _DatabaseUrl = ""
    password_file: OptionalPath = None
    notify_url: _DatabaseUrl = ""
    node_name: str = Field("", pattern=_NODE_NAME, max_length=255)

    @model_validator(mode="after")
    def _has_a_database(self) -> Self:
        if not self.url and (self.password_file or self.notify_url):
            raise ValueError("expected url, too: password_file and notify_url belong to its database")
        return self

    @property
    def effective_node_name(self) -> str:
        """What this node is called: as it is set, or else as its host is."""
        return self.node_name or socket.gethostname()


class LogSettings(Section):
    """`[log]`: how much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class RetentionSettings(Section):
    """`[retention]`: for how long events are kept, with their deliveries and attempts; the ledger is kept for ever."""

    days: int = Field(30, ge=0, le=36_500)


class EventTypeSettings(Section):
    """`[[event_types]]`: an event type that the operator adds."""

    name: str = Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)
    description: str = Field(min_length=1)
    category: str = "custom"
    example: Annotated[dict[str, Any], AfterValidator(_as_sent)] = Field(default_factory=dict)


class Settings(Section):
    """The whole tree. Make it with `load_settings`."""

    state_dir: FilePath = Field(default_factory=default_state_dir)
    public_url: str = "http://127.0.0.1:8480"
    dev: bool = False
    api: ApiSettings = ApiSettings()
    delivery: DeliverySettings = DeliverySettings()
    egress: EgressSettings = EgressSettings()
    credits: CreditsSettings = CreditsSettings()
    smtp: SmtpSettings = SmtpSettings()
    console: ConsoleSettings = ConsoleSettings()
    secrets: SecretsSettings = SecretsSettings()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    event_types: tuple[EventTypeSettings, ...] = ()

    @field_validator("public_url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        return public_origin(value)

    @field_validator("event_types")
    @classmethod
    def _are_distinct(cls, value: tuple[EventTypeSettings, ...]) -> tuple[EventTypeSettings, ...]:
        names = [event_type.name for event_type in value]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"expected each name once: {', '.join(sorted(twice))}")
        if taken := OPERATIONAL_TYPES.intersection(names):
            raise ValueError(f"expected other names than those of operational events: {', '.join(sorted(taken))}")
        return value

    @field_validator("console")
    @classmethod
    def _frames_keep_sessions(cls, value: ConsoleSettings, info: ValidationInfo) -> ConsoleSettings:
        if value.embed_origins and not keeps_secrets(info.data.get("public_url", "https://right")):
            raise ValueError(
                "expected an https address in public_url, too: else a frame of embed_origins has no session"
            )
        return value

    @property
    def has_tls_before_it(self) -> bool:
        """Whether people reach the API by https, which a proxy before it ends."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def effective_egress(self) -> EgressSettings:
        """The egress rules with what `--dev` adds: http, loopback and private receivers."""
        if not self.dev:
            return self.egress
        allowed = dict.fromkeys((*self.egress.allow_networks, *map(ip_network, _PRIVATE_NETWORKS)))
        return self.egress.model_copy(update={"allow_http": True, "allow_networks": tuple(allowed)})


def load_settings(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read and validate the settings from `file`, the environment and `flags` (a nested mapping, which wins).

    Raises ConfigError with one line for each mistake: where it stands, the setting's name, what is wrong and what was
    expected.
    """
    from_file = [file_source(file)] if file else []
    sources = [*from_file, environment_source(os.environ), flags_source(flags or {})]
    merged: dict[str, Any] = {}
    for source in sources:
        merged = merge(merged, source.tree)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        lines = [explain(detail, sources, _names_beside(detail["loc"])) for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _names_beside(loc: Sequence[int | str]) -> list[str]:
    """Return the names of the settings that stand where `loc` points."""
    section: Any = Settings
    if loc[:1] == ("event_types",):
        section = EventTypeSettings
    elif len(loc) > 1:
        section = Settings.model_fields[str(loc[0])].annotation
    return [field.alias or name for name, field in section.model_fields.items()]
