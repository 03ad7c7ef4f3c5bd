"""Every write, as a value: what `Writer.execute` takes, and what it answers (None unless stated).

They are structs, since there are many: each start defines them all, a dataclass in 0.4 ms, a struct in 10 µs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct, field

from daemon.domain.audit import AuditEntry
from daemon.domain.lifecycle import Verdict
from daemon.domain.model import ApiKey, Attempt, CancelReason, CreditEntry, Team, TeamEdit, Webhook, Work
from daemon.domain.operations import OperationalType
from daemon.domain.portal_links import PortalLink
from daemon.domain.submission import FanOut, Idempotency, MatchedEvent, Receipt


class Accepted(Struct, frozen=True):
    """What was kept. `work` pairs each new delivery with its webhook's id, in order.

    `fan_outs` are the deliveries still to be created, by team. `replayed` says that the idempotency key was known:
    these are the first receipts, and nothing was stored. `due_at` is the first time of those that wait
    for one, which are no `work`, or expire.
    """

    receipts: tuple[Receipt, ...]
    work: tuple[tuple[str, Work], ...] = ()
    replayed: bool = False
    fan_outs: tuple[FanOut, ...] = ()
    due_at: int | None = None


class CancelledDelivery(Struct, frozen=True):
    """Which delivery was cancelled."""

    delivery_id: str
    event_id: str
    event_type: str


class Cancelled(Struct, frozen=True):
    """How many deliveries were cancelled in one transaction, and which, in order: never too many to log.

    `more` says that others are left, which `CancelNext` cancels.
    """

    count: int = 0
    first: tuple[CancelledDelivery, ...] = ()
    more: bool = False


class Recorded(Struct, frozen=True):
    """What other deliveries were cancelled, the ids of the mails that were queued, and whether operational webhooks
    are told.
    """

    cancelled: Cancelled = Cancelled()
    mails: tuple[str, ...] = ()
    told: bool = False


class Granted(Struct, frozen=True):
    """The entry of the ledger, the ids of the mails that were queued, and whether operational webhooks are told."""

    entry: CreditEntry
    mails: tuple[str, ...] = ()
    told: bool = False


class RecoveredPage(Struct, frozen=True):
    """How many deliveries were queued, where the next page begins (None: that was all), and when the first of those is
    due that wait for their time.
    """

    queued: int
    next_after_seq: int | None
    due_at: int | None = None


Answer = TypeVar("Answer", covariant=True)
Inner = TypeVar("Inner")


class Command(Struct, Generic[Answer], frozen=True):
    """Base of all commands; the type parameter is what the writer answers."""


class ExecuteOnce(Command[Inner], frozen=True):
    """Run `command` unless the idempotency key was used, and keep in the same transaction what `keep` makes of its
    answer (None: nothing yet). Answers what the command does, or raises AnsweredBefore or IdempotencyConflict.
    """

    command: Command[Inner]
    idempotency: Idempotency
    keep: Callable[[Inner], str | None]
    now: int


class Audited(Command[Inner], frozen=True):
    """Run `command` and, unless it fails or does nothing, keep in the same transaction who did it, with what it changed
    of its subject (`daemon.store.writes.audit`). Answers what the command does.
    """

    command: Command[Inner]
    entry: AuditEntry


class KeepEntry(Command[None], frozen=True):
    """Keep who does something that takes several transactions, before the first of them."""

    entry: AuditEntry


class AcceptEvents(Command[Accepted], frozen=True):
    """Keep these events and their deliveries, all or none. Answers Accepted, or raises IdempotencyConflict.

    For a team in `fan_outs` (webhook ids by event type, and which of them an event is for by its id) the deliveries are
    not created yet, only recorded for later.
    `version` is that of the subscriptions that it was matched with; if nodes share the database and theirs is another
    one, the answer is the error MatchedTooEarly.
    """

    events: tuple[MatchedEvent, ...]
    idempotency: Idempotency | None
    now: int
    fan_outs: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    version: int | None = None


class RecordAttempt(Command[Recorded], frozen=True):
    """One ended attempt and all that follows from it, in one transaction (architecture "How an event flows", 6).

    Does nothing if this attempt is recorded already, so that it can be repeated after an uncertain failure.
    `failures_before` is the failure counter that the verdict started from; `charge` is what a success costs.
    A success is charged in a ledger entry with id `entry_id`. On disabling, the webhook's other pending deliveries are
    cancelled, except `others_in_flight`, by their `seq`, and a mail with id `mail_id` is queued; it names the last
    `failures_shown` failed deliveries, and has a copy for `operator_address`, if there is one. The first success of a
    webhook since it was disabled at `recovered_from` queues a mail with that id, too. Only then are these needed. A
    team whose balance falls below `exhausted_below` is told, and operational webhooks of `news` about the webhook.
    Answers Recorded.
    """

    webhook_id: str
    team_id: str
    delivery_id: str
    seq: int
    attempt: Attempt
    failures_before: int
    verdict: Verdict
    next_attempt_at: int | None
    charge: int
    now: int
    entry_id: str | None
    mail_id: str | None
    failures_shown: int = 4
    operator_address: str = ""
    recovered_from: int | None = None
    exhausted_below: int | None = None
    news: OperationalType | None = None
    others_in_flight: tuple[int, ...] = ()


class CreateWebhook(Command[None], frozen=True):
    """Store a new webhook. Raises TooManyWebhooks if its team is at its limit, which does not count live listeners.

    `default_limit` is for a team without a limit of its own; None means no limit.
    """

    webhook: Webhook
    default_limit: int | None = None


class SaveWebhook(Command[Cancelled], frozen=True):
    """Replace a webhook's row; with `withdraw`, cancel its pending deliveries except those in flight.

    Answers what was cancelled so far.
    """

    webhook: Webhook
    withdraw: CancelReason | None = None
    in_flight_seqs: tuple[int, ...] = ()
    now: int = 0


class Resend(Command[str | None], frozen=True):
    """Queue the event of this delivery again for the same webhook. Answers the new delivery's id, None if unknown.

    Raises EventErased.
    """

    delivery_id: str
    new_id: str
    now: int


class Recover(Command[RecoveredPage], frozen=True):
    """Queue, in order, events that the webhook subscribes to, did not get and is not waiting for.

    Of events accepted at or after `since`; looks at the next `limit` events behind `after_seq`, and before
    `before_seq`. `new_ids` has at least `limit` ids. If `taken` is given, only events with these ids are queued: those
    that the webhook's filter takes. Answers RecoveredPage.
    """

    webhook: Webhook
    since: int
    after_seq: int
    limit: int
    new_ids: tuple[str, ...]
    now: int
    before_seq: int | None = None
    taken: frozenset[str] | None = None


class CreateTeam(Command[None], frozen=True):
    """Keep a new team with a balance of 0. Raises AlreadyExists."""

    team: Team


class SaveTeam(Command[Team | None], frozen=True):
    """Apply `change` to a team. Answers the team, None if unknown."""

    team_id: str
    change: TeamEdit


class AddKey(Command[None], frozen=True):
    """Keep an API key and the SHA-256 of its secret."""

    key: ApiKey
    digest: bytes


class RevokeKey(Command[bool], frozen=True):
    """Revoke a key for good. Answers False if there is none, or it was revoked before."""

    key_id: str
    now: int


class SaveKeyUses(Command[None], frozen=True):
    """Keep when keys were last used (ms), by their ids, unless something later is known."""

    used_at: Mapping[str, int]


class EndSession(Command[None], frozen=True):
    """Record that a console session was signed out, delete `displaced` and expired ones."""

    session_id: str
    key_id: str
    expires_at: int
    now: int
    displaced: str | None = None


class AddPortalLink(Command[None], frozen=True):
    """Keep a link and the SHA-256 of its token, and forget some of those that were over before `forget_before`."""

    link: PortalLink
    digest: bytes
    forget_before: int


class UsePortalLink(Command[bool], frozen=True):
    """Record that a link signs somebody in. Answers whether it is the first time, or raises LinkOver if it no longer
    does.
    """

    link_id: str
    now: int


class RevokePortalLink(Command[bool], frozen=True):
    """Revoke a link for good, with its sessions. Answers False if there is none, or it was revoked before."""

    link_id: str
    now: int


class GrantCredits(Command[Granted], frozen=True):
    """Add to a team's balance, or take from it. Answers Granted, or raises BalanceOutOfRange.

    A team whose balance falls below `exhausted_below` is told.
    """

    entry_id: str
    team_id: str
    amount: int
    note: str | None
    now: int
    exhausted_below: int | None = None


class ReadBalance(Command[int], frozen=True):
    """Answers a team's balance, 0 for an unknown team: no write, but in the order of the writes."""

    team_id: str


class ProbeWrite(Command[None], frozen=True):
    """Write something, and leave nothing behind: its commit proves that the database is writable."""


class OperationalEventSubmitted(Command[None], frozen=True):
    """The operational event is accepted, and leaves the outbox."""

    event_id: str


class MailSent(Command[None], frozen=True):
    """The mail went out to everyone who waited for it (or can never reach those left over)."""

    mail_id: str
    now: int
    error: str | None = None


class MailDeferred(Command[None], frozen=True):
    """Record that the mail will be retried for these recipients."""

    mail_id: str
    recipients: tuple[str, ...]
    attempts_made: int
    next_attempt_at: int
    error: str
