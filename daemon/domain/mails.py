"""Mails in the outbox, as values."""

from dataclasses import dataclass, field
from enum import StrEnum

from daemon.domain.model import FailedDelivery


class MailKind(StrEnum):
    """What an email is about, and whom it is for: the team, or the operator."""

    DISABLED = "webhook_disabled"
    DISABLED_FOR_OPERATOR = "webhook_disabled_for_operator"
    RECOVERED = "webhook_recovered"
    CREDITS_LOW = "credits_low"
    CREDITS_EXHAUSTED = "credits_exhausted"
    ADDRESS_CONFIRMATION = "address_confirmation"


@dataclass(frozen=True, slots=True)
class MailLink:
    """A link that works without a key until `expires_at` (ms): whoever has its token may use it."""

    token: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class Mail:
    """An email in the outbox, as data: its text is made when it is sent.

    `recipients` are those who have not got it yet; `attempts_made` counts failed attempts to send it. What is said of a
    webhook is empty in other mails. `link` is made as it is sent, and stored nowhere.
    """

    id: str
    team_id: str
    recipients: tuple[str, ...]
    webhook_id: str
    webhook_name: str
    webhook_url: str
    disabled_at: int
    failures: tuple[FailedDelivery, ...]
    created_at: int
    attempts_made: int = 0
    next_attempt_at: int = 0
    team_name: str = ""
    kind: MailKind = MailKind.DISABLED
    balance: int | None = None
    time_zone: str = "UTC"
    link: MailLink | None = None
