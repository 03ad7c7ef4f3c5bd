"""The terms of the contract (contract "Words") as frozen values.

Times are integers: milliseconds since the Unix epoch, UTC. Durations are milliseconds too unless the name ends in `_s`.

What each event or delivery has one of is msgspec's, made in a tenth of a frozen dataclass's time; with `gc=False`, for
it holds nothing that could lead back to it.
"""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.operations import OPERATIONAL_TYPES, About, BodyFormat
from daemon.domain.webhook_options import DEFAULT_OPTIONS, WebhookOptions


class DeliveryStatus(StrEnum):
    """Where a delivery stands (contract "Words")."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CancelReason(StrEnum):
    """Why a delivery was cancelled (contract "Auto-disable", "HTTP API", "Erasing")."""

    WEBHOOK_DISABLED = "webhook_disabled"
    WEBHOOK_DELETED = "webhook_deleted"
    REQUESTED = "requested"  # by hand
    EXPIRED = "expired"  # its event was not to be delivered any more
    ERASED = "erased"  # its event


class Origin(StrEnum):
    """How a delivery was queued again."""

    RESEND = "resend"
    RECOVER = "recover"


class DisabledReason(StrEnum):
    """Why a webhook gets no deliveries."""

    CONSECUTIVE_FAILURES = "consecutive_failures"
    GONE = "gone"  # its receiver answered 410
    MANUAL = "manual"


class OutcomeKind(StrEnum):
    """What happened on the wire in one attempt (architecture "How an event flows", 5)."""

    DELIVERED = "delivered"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    TLS_ERROR = "tls_error"
    PROTOCOL_ERROR = "protocol_error"
    BLOCKED_ADDRESS = "blocked_address"
    PROXY_ERROR = "proxy_error"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Team:
    """The tenant: owns webhooks, API keys, credits and notification addresses.

    `max_webhooks` is how many webhooks it may have, None for the default of the settings. It is told when its balance
    falls below `low_credits`, None for never. `time_zone` is the name of the one that its people are shown times in.
    """

    id: str
    name: str
    notification_emails: tuple[str, ...]
    created_at: int
    max_webhooks: int | None = None
    low_credits: int | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class TeamEdit:
    """A change to a team: None leaves a value as it is. `default_max_webhooks` removes the team's own limit.

    `no_low_credits` removes the balance below which it is told.
    """

    name: str | None = None
    notification_emails: tuple[str, ...] | None = None
    max_webhooks: int | None = None
    default_max_webhooks: bool = False
    low_credits: int | None = None
    no_low_credits: bool = False
    time_zone: str | None = None


class KeyRole(StrEnum):
    """What a team's key may do (contract "HTTP API")."""

    ADMIN = "admin"
    SUBMIT = "submit"
    READ = "read"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A team's API key without its secret part; `revoked_at` is None while it works.

    `last_used_at` is None before its first use, and may be a minute old.
    """

    id: str
    team_id: str
    name: str
    created_at: int
    role: KeyRole = KeyRole.ADMIN
    revoked_at: int | None = None
    last_used_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A registered receiver. `events` are event types, or `*` for all; `secret` is None when deliveries go unsigned.

    Both secrets are sealed; the previous one also signs until its time is over, `X-Kakiyo-Signature` until
    `signature_switches_at`. `recovering_since` is when its failures disabled it, from its re-enabling until it works
    again. With `paused_at` its deliveries wait; it resumes by itself at `resumes_at`, if that is set. One that is about
    operations gets operational events alone, for which `*` stands then. The deliveries
    of a `live` one go to a stream of the API, not to its URL.
    """

    id: str
    team_id: str
    name: str
    url: str
    secret: str | None
    events: tuple[str, ...]
    active: bool = True
    consecutive_failures: int = 0
    disabled_reason: DisabledReason | None = None
    disabled_at: int | None = None
    created_at: int
    updated_at: int
    deleted_at: int | None = None
    previous_secret: str | None = None
    previous_secret_expires_at: int | None = None
    signature_switches_at: int | None = None
    recovering_since: int | None = None
    paused_at: int | None = None
    resumes_at: int | None = None
    live: bool = False
    about: About = About.EVENTS
    body_format: BodyFormat = BodyFormat.STANDARD
    options: WebhookOptions = DEFAULT_OPTIONS

    @property
    def is_operational(self) -> bool:
        """Whether it is told of webhooks and credits."""
        return self.about is About.OPERATIONS

    @property
    def is_free(self) -> bool:
        """Whether its deliveries cost nothing."""
        return self.is_operational or self.live

    def subscribes_to(self, event_type: str) -> bool:
        """Whether events of this type are for this webhook (`*` takes future types too)."""
        is_its_kind = (event_type in OPERATIONAL_TYPES) is self.is_operational
        return is_its_kind and ("*" in self.events or event_type in self.events)


class Event(Struct, frozen=True, gc=False):
    """One thing that happened. `body` is the payload, serialised once: these very bytes are sent and signed.

    `traceparent` is the submission's place in a trace (`daemon.domain.trace_context`), `key_id` the key that it came
    with, None if nobody knows. It is delivered on `terms`, None for at once. Of one that was erased the body is empty.
    """

    id: str
    team_id: str
    type: str
    timestamp: int
    body: bytes
    accepted_at: int
    test: bool = False
    traceparent: str | None = None
    key_id: str | None = None
    terms: DeliveryTerms | None = None
    erased_at: int | None = None


@dataclass(frozen=True, slots=True)
class EventSummary:
    """An event as lists show it: without its body, of `size` bytes. `seq` is its place in the order of acceptance."""

    seq: int
    id: str
    team_id: str
    type: str
    timestamp: int
    size: int
    accepted_at: int
    test: bool
    key_id: str | None
    terms: DeliveryTerms | None = None
    erased_at: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event to one webhook. `seq` is its place in the order of acceptance, over all webhooks.

    `attempts_made` counts the attempts that ended; `next_attempt_at` is set while a retry waits. `origin` is how it was
    queued again, None if it was made of its event; `origin_id` is the delivery that it was queued again for, if there
    was one: a recovered event may have had none. One that `waits_aside` holds no other one of its webhook until
    `next_attempt_at`; one that `is_low` waits behind all that are pending otherwise.
    """

    seq: int
    id: str
    event_id: str
    event_type: str
    webhook_id: str
    team_id: str
    status: DeliveryStatus
    attempts_made: int
    next_attempt_at: int | None
    created_at: int
    completed_at: int | None = None
    cancel_reason: CancelReason | None = None
    test: bool = False
    origin: Origin | None = None
    origin_id: str | None = None
    waits_aside: bool = False
    is_low: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt. `error` is one sentence for a person if it failed, else None.

    `detail` adds to it, for the operator's log only: it is neither stored nor shown to the team.

    `headers` and `body` are the bounded part of the response that is kept (contract "An attempt").
    """

    kind: OutcomeKind
    duration_ms: int
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str | None = None
    detail: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver answered 2xx in time."""
        return self.kind is OutcomeKind.DELIVERED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP POST of a delivery; `number` counts from 1."""

    number: int
    started_at: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """What lists tell of a delivery's last attempt: all of its outcome but for the answer itself."""

    outcome: OutcomeKind
    status: int | None
    duration_ms: int
    error: str | None


@dataclass(frozen=True, slots=True)
class CreditEntry:
    """One line of a team's ledger: a grant (amount above 0) or a debit (below 0), and the balance after it."""

    id: str
    team_id: str
    amount: int
    balance_after: int
    created_at: int
    delivery_id: str | None = None
    note: str | None = None


# Bodies up to this many bytes wait in memory with their delivery.
MAX_INLINE_BODY_BYTES = 4096


class Work(Struct, frozen=True, gc=False):
    """A pending delivery with what its attempts need: the body, and where the last one left off.

    No attempt begins once it has expired. A large body is not carried along (None) but read when its turn comes, so
    that waiting costs no memory.
    """

    seq: int
    delivery_id: str
    event_id: str
    event_type: str
    body: bytes | None
    created_at: int
    attempts_made: int = 0
    next_attempt_at: int | None = None
    test: bool = False
    traceparent: str | None = None
    expires_at: int | None = None
    low: bool = False


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """One line of that email: a failed delivery, when its event was accepted, and its last attempt's error."""

    delivery_id: str
    event_type: str
    accepted_at: int
    failed_at: int
    outcome: OutcomeKind
    status: int | None
    error: str | None
