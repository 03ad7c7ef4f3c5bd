"""The errors the daemon returns: each message is one sentence for the caller."""

from collections.abc import Sequence
from dataclasses import dataclass


class DaemonError(Exception):
    """Base of the errors that callers of the daemon's handles must expect."""


@dataclass
class Overloaded(DaemonError):
    """The daemon is at capacity; nothing of the request was kept. `retry_after_s` says when it may again."""

    sentence: str = "the server is at capacity: retry in a moment"
    retry_after_s: int = 1


@dataclass
class SubmissionTooLarge(DaemonError):
    """The submission makes `amount` of `what` (events, bytes or deliveries), and `limit` is the most."""

    what: str
    amount: int
    limit: int


@dataclass
class TooManyWebhooks(DaemonError):
    """The team has reached its `limit` of webhooks."""

    limit: int


@dataclass
class TooManyAddresses(DaemonError):
    """The team has reached its `limit` of notification addresses, with those that were asked."""

    limit: int


@dataclass
class TooManyBulkJobs(DaemonError):
    """The team has `limit` bulk jobs that are not over."""

    limit: int


class AlreadyConfirmed(DaemonError):
    """The team's mails go to the address already."""


@dataclass
class AskedTooOften(DaemonError):
    """The mails of a day that ask an address are used up; `retry_after_s` says when there is one again."""

    retry_after_s: int


@dataclass
class TooManyDeliveries(DaemonError):
    """More deliveries are meant than the `limit` of one job, or too many had to be looked at to tell."""

    limit: int


class Stopping(DaemonError):
    """The daemon is shutting down; nothing of the request was kept."""


class StoreUnavailable(DaemonError):
    """The database could not do it (disk full, locked, failed); everything acknowledged earlier is safe."""


class IdempotencyConflict(DaemonError):
    """The idempotency key was used within 24 h: with another request, or its first answer can no longer be read."""


class AnsweredBefore(DaemonError):
    """The request was carried out before under its idempotency key; nothing was done again."""


class RequestOver(DaemonError):
    """The request to another node was answered already, or its deadline is over: nothing was changed."""


class BalanceOutOfRange(DaemonError):
    """The change would take a balance beyond what can be counted exactly."""


class WebhookInactive(DaemonError):
    """The webhook is disabled or deleted, so nothing can be queued for it."""


class EventErased(DaemonError):
    """The event was erased, so nothing of it can be sent again."""


class NothingDue(DaemonError):
    """The webhook is not paused, or does not resume by itself yet: nothing was changed."""


class AttemptOver(DaemonError):
    """No such attempt of a live listener waits for an answer: it has one, or its time or its listener is over."""


class MatchedTooEarly(DaemonError):
    """Another node has changed subscriptions since these events were matched: nothing was kept, match them again."""


class KeyRevoked(DaemonError):
    """The key that this was submitted with was revoked before: nothing was kept."""


class LinkOver(DaemonError):
    """The link was used, was revoked or has expired; nobody was signed in."""


class NobodyTakesOver(DaemonError):
    """A node cannot give its work to others, for there are none."""


class AlreadyExists(DaemonError):
    """The id is taken."""


class EventTypeExists(DaemonError):
    """There is an event type with this name."""


@dataclass
class TooManyEventTypes(DaemonError):
    """As many event types were added as there may be."""

    limit: int


@dataclass
class TooManyVersions(DaemonError):
    """An event type has as many versions as it may have."""

    limit: int


class VersionConflict(DaemonError):
    """The event type was given another version since it was looked at: nothing was changed."""


class EventTypeFixed(DaemonError):
    """The event type is built in, or of the settings: it is not changed while the daemon runs."""


class EventTypeInUse(DaemonError):
    """Webhooks name the event type, or there are events of it, so that it is not removed."""


@dataclass
class UnknownTeam(DaemonError):
    """No team has this id; `indexes` are the places, in their submission, of the events whose team is unknown."""

    team_id: str
    indexes: Sequence[int] = (0,)


@dataclass
class UrlNotAllowed(DaemonError):
    """The URL breaks a rule (contract "HTTP API"); `rule` names it, `sentence` says what is wrong and what to do.

    `detail` is for the operator's log only.
    """

    rule: str
    sentence: str
    detail: str | None = None
