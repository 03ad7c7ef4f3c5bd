"""Every write, as a value: what `Writer.execute` takes, and what it answers (None where nothing is said)."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from daemon.lifecycle import Verdict
from daemon.model import ApiKey, Attempt, CancelReason, CreditEntry, Team, Webhook, Work
from daemon.submission import Idempotency, MatchedEvent, Receipt


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was kept. `work` pairs each new delivery with its webhook's id, in order.

    `replayed` says that an idempotency key was known: these are the first receipts, and nothing was kept.
    """

    receipts: tuple[Receipt, ...]
    work: tuple[tuple[str, Work], ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class CancelledDelivery:
    """Which delivery was cancelled."""

    delivery_id: str
    event_id: str
    event_type: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """How many deliveries were cancelled in one transaction, and which, in order: never too many to log.

    `more` says that others are left, which `CancelNext` cancels.
    """

    count: int = 0
    first: tuple[CancelledDelivery, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class CancelledPage:
    """How many deliveries of a webhook `CancelNext` cancelled; `total` of its cancellation if that is over now."""

    cancellation_seq: int
    webhook_id: str
    team_id: str
    reason: CancelReason
    count: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What other deliveries were cancelled, and whether a mail was queued."""

    cancelled: Cancelled = Cancelled()
    mail_queued: bool = False


@dataclass(frozen=True, slots=True)
class RecoveredPage:
    """How many deliveries were queued, and where the next page begins (None: that was all)."""

    queued: int
    next_after_seq: int | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many events and deliveries were deleted, and behind which event to go on (None: that was all)."""

    events: int
    deliveries: int
    next_after_seq: int | None


Answer = TypeVar("Answer", covariant=True)


class Command(Generic[Answer]):
    """Base of all commands; the type parameter is what the writer answers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AcceptEvents(Command[Accepted]):
    """Keep these events and their deliveries, all or none. Answers Accepted, or raises IdempotencyConflict."""

    events: tuple[MatchedEvent, ...]
    idempotency: Idempotency | None
    now: int


@dataclass(frozen=True, slots=True)
class RecordAttempt(Command[Recorded]):
    """One ended attempt and all that follows from it, in one transaction (DESIGN "The way of one event", 6).

    Does nothing if this attempt is recorded already, so that it may be given again after a doubtful failure.
    `failures_before` is the failure counter that the verdict started from; `charge` is what a success costs.
    A success is charged in a ledger entry with id `entry_id`. On disabling, the webhook's other pending deliveries are
    cancelled and a mail with id `mail_id` is queued; it names the last `failures_shown` failed deliveries. Only then
    are these ids needed. Answers Recorded.
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


@dataclass(frozen=True, slots=True)
class CreateWebhook(Command[None]):
    """Keep a new webhook."""

    webhook: Webhook


@dataclass(frozen=True, slots=True)
class SaveWebhook(Command[Cancelled]):
    """Replace a webhook's row; with `withdraw`, cancel its pending deliveries but the one in flight.

    Answers what was cancelled so far.
    """

    webhook: Webhook
    withdraw: CancelReason | None = None
    in_flight_seq: int | None = None
    now: int = 0


@dataclass(frozen=True, slots=True)
class CancelPending(Command[Cancelled]):
    """Cancel the pending deliveries of a webhook that gets none any more. Answers what was cancelled so far."""

    webhook_id: str
    reason: CancelReason
    now: int


@dataclass(frozen=True, slots=True)
class CancelNext(Command[CancelledPage | None]):
    """Cancel a page of what is left of a cancellation: of the next one behind `after_seq`, or of the first.

    Answers CancelledPage, None if nothing is left.
    """

    after_seq: int


@dataclass(frozen=True, slots=True)
class Resend(Command[str | None]):
    """Queue the event of this delivery again for the same webhook. Answers the new delivery's id, None if unknown."""

    delivery_id: str
    new_id: str
    now: int


@dataclass(frozen=True, slots=True)
class Recover(Command[RecoveredPage]):
    """Queue, in order, events that the webhook subscribes to and neither got nor waits for.

    Of events accepted at or after `since`; looks at the next `limit` events behind `after_seq`, and before
    `before_seq`. `new_ids` has at least `limit` ids. Answers RecoveredPage.
    """

    webhook: Webhook
    since: int
    after_seq: int
    limit: int
    new_ids: tuple[str, ...]
    now: int
    before_seq: int | None = None


@dataclass(frozen=True, slots=True)
class CreateTeam(Command[None]):
    """Keep a new team with a balance of 0. Raises AlreadyExists."""

    team: Team


@dataclass(frozen=True, slots=True)
class SaveTeam(Command[Team | None]):
    """Change a team's name or notification addresses; None leaves one as it is. Answers the team, None if unknown."""

    team_id: str
    name: str | None
    notification_emails: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class AddKey(Command[None]):
    """Keep an API key and the SHA-256 of its secret."""

    key: ApiKey
    digest: bytes


@dataclass(frozen=True, slots=True)
class RevokeKey(Command[None]):
    """Revoke a key for good."""

    key_id: str
    now: int


@dataclass(frozen=True, slots=True)
class GrantCredits(Command[CreditEntry]):
    """Add to a team's balance. Answers the CreditEntry."""

    entry_id: str
    team_id: str
    amount: int
    note: str | None
    now: int


@dataclass(frozen=True, slots=True)
class ReadBalance(Command[int]):
    """Answers a team's balance, 0 for an unknown team: no write, but in the order of the writes."""

    team_id: str


@dataclass(frozen=True, slots=True)
class ProveWriting(Command[None]):
    """Write something, and leave nothing behind: that it is committed shows that the database can be written."""


@dataclass(frozen=True, slots=True)
class MailSent(Command[None]):
    """The mail went out to everyone who waited for it (or can never reach those left over)."""

    mail_id: str
    now: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MailDeferred(Command[None]):
    """The mail is to be tried again for these recipients."""

    mail_id: str
    recipients: tuple[str, ...]
    attempts_made: int
    next_attempt_at: int
    error: str


@dataclass(frozen=True, slots=True)
class ForgetIdempotencyKeys(Command[int]):
    """Forget keys first used before this time, at most `limit` of them, oldest first. Answers how many."""

    before: int
    limit: int


@dataclass(frozen=True, slots=True)
class ForgetWebhookHours(Command[int]):
    """Forget counts of hours that began before this time, at most `limit` of them, oldest first. Answers how many."""

    before: int
    limit: int


@dataclass(frozen=True, slots=True)
class ForgetEvents(Command[Forgotten]):
    """Delete events accepted before this time, with their deliveries and attempts: of the next `limit` behind
    `after_seq` those of which no delivery is pending, or was made since. Of an event with very many deliveries, the
    oldest go first. Answers Forgotten.
    """

    before: int
    after_seq: int
    limit: int


@dataclass(frozen=True, slots=True)
class KeepTimeBlock(Command[None]):
    """Keep that the rows of a table from `first_seq` to `last_seq` have times from `earliest` to `latest`."""

    table_name: str
    first_seq: int
    last_seq: int
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class ForgetMails(Command[int | None]):
    """Delete mails made before this time that were sent, of the next `limit` behind `after_seq`.

    Answers behind which mail to go on, None if that was all.
    """

    before: int
    after_seq: int
    limit: int


@dataclass(frozen=True, slots=True)
class ReleaseSpace(Command[bool]):
    """Give `limit` free pages back to the file system, if more are free than `leave_pages` and a `leave_part` of all.

    Answers whether there may be more to give back.
    """

    leave_pages: int
    leave_part: int
    limit: int
