"""Addresses that a team adds get nothing else until they confirm (contract "Notification addresses")."""

from msgspec import Struct

from daemon.domain.clock import DAY_MS
from daemon.domain.email_addresses import parse_address

# Those that get mails and those that are asked, together.
MOST_OF_A_TEAM = 20
# Mails that ask, in 24 hours: no team's admin can fill a stranger's mailbox.
MOST_ASKED_BY_A_TEAM = 10
MOST_ASKED_OF_A_MAILBOX = 3
ASKED_FOR_MS = 3 * DAY_MS


class PendingAddress(Struct, frozen=True, kw_only=True):
    """An address that was asked by the mail `mail_id`, and may confirm until `expires_at` (ms)."""

    mail_id: str
    team_id: str
    email: str
    created_at: int
    expires_at: int


def mailbox_of(email: str) -> str:
    """Return what an address has in common with others of the same mailbox: neither case nor a tag tells them apart."""
    address = parse_address(email)
    if address is None:
        return email.casefold()
    return f"{address.username.partition('+')[0]}@{address.domain}".casefold()
