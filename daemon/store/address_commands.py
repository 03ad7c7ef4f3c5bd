"""Commands about notification addresses that confirm themselves, and what they are answered."""

from daemon.domain.model import Team
from daemon.domain.team_addresses import PendingAddress
from daemon.store.commands import Command


class AskForAddress(Command[None], frozen=True):
    """Queue the mail that asks an address, in the place of an earlier one. `mailbox` is the address as the limit of a
    day counts it, `digest` the SHA-256 of the mail's token. Raises AlreadyConfirmed, TooManyAddresses, AskedTooOften.
    """

    pending: PendingAddress
    mailbox: str
    digest: bytes


class ConfirmAddress(Command[Team], frozen=True):
    """Have a team's mails go to the address whose mail has the token with this digest. Answers the team, or raises
    LinkOver, and TooManyAddresses.
    """

    digest: bytes
    now: int


class RemoveAddress(Command[bool], frozen=True):
    """Have no mail of a team go to an address, and none ask it. Answers whether one did."""

    team_id: str
    email: str
    now: int
