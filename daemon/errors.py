"""What the daemon refuses, and why: each message is one sentence for the person who asked."""

from dataclasses import dataclass


class DaemonError(Exception):
    """Base of what callers of the daemon's handles must expect."""


class Overloaded(DaemonError):
    """The daemon takes no more just now; nothing of the request was kept."""


class Stopping(DaemonError):
    """The daemon is shutting down; nothing of the request was kept."""


class StoreUnavailable(DaemonError):
    """The database could not do it (disk full, locked, failed); what was acknowledged before stays."""


class IdempotencyConflict(DaemonError):
    """The idempotency key was used within 24 h with another body."""


class WebhookInactive(DaemonError):
    """The webhook is disabled or deleted, so nothing can be queued for it."""


class AlreadyExists(DaemonError):
    """The id is taken."""


@dataclass
class UnknownTeam(DaemonError):
    """No team has this id; `index` is the event's place in its submission."""

    team_id: str
    index: int = 0


@dataclass
class UrlNotAllowed(DaemonError):
    """The URL breaks a rule of contract "HTTP API"; `rule` names it, `sentence` says what is wrong and what to do.

    `detail` is for the operator's log only.
    """

    rule: str
    sentence: str
    detail: str | None = None
