"""What this node holds of teams' credits, as it knows it: bookkeeping for `daemon.cluster.held_credits`, without I/O.

Theory of operation
~~~~~~~~~~~~~~~~~~~

The database has this node's hold of a team. A part of it is *reserved*, by deliveries that have begun; the rest is
*available*. Deliveries reserve and settle here, with no transaction; holds are changed by `ChangeHolds` (wishes, sent
by one task, one command at a time), and shrink with each charged outcome, in its own transaction.

Invariant: in the database the hold is at least `available + reserved`, less what was charged by outcomes that are
committed and not settled yet. So whatever is delivered is paid for. Each step keeps it:

- `take`, and the end of a delivery that was not charged, move credits between the two.
- The end of one that was charged comes after its commit, in which the hold shrank.
- An end of which nobody knows whether it was charged, as after a crash, counts as charged.
- A wish says how much is used *at most*, `available + reserved`, when it is given to the writer. Outcomes that were
  given to the writer before are committed, or have failed, when it is carried out, and those given later come later. So
  to lower the hold to that keeps the invariant; what is added is available when it is committed, not before.

The hold may be larger than that: after a crash, after a command whose answer did not come, or because outcomes were
under way when some was given back. The account is then *unsure*, and each turn sends another wish, which lowers the
hold again, until one was sent with nothing reserved. So no credits stay with a node that does not know of them.

What was available all the time since the last turn goes back in the next one: so what a node does not use for two turns
is free for others, however busy it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from daemon.store.hold_commands import HoldWish

# How many deliveries' credits are asked for at a time: more each time that they were not enough, less when they were.
_FIRST_PORTION, _LARGEST_PORTION = 4, 256


@dataclass(slots=True, eq=False)
class Account:
    """One team's credits at this node. `waiting` are the tasks that lack credits; `dry` says that there were none.

    `lowest` is the least that was available since the last turn; `lacks` says that a wish is to be sent at once.
    """

    portion: int
    available: int = 0
    reserved: int = 0
    lowest: int = 0
    waiting: int = 0
    lacks: bool = False
    dry: bool = False
    unsure: bool = False
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)


@dataclass(slots=True, eq=False)
class Sent:
    """Wishes that are under way, with their accounts; what an abandoned one adds nobody uses."""

    wishes: tuple[HoldWish, ...]
    accounts: Sequence[Account]
    abandoned: bool = False


class Holdings:
    """The accounts of this life of the node, by team. `price` is what a delivery costs, above 0."""

    def __init__(self, price: int) -> None:
        self._price = price
        self._accounts: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def dry(self) -> Sequence[str]:
        """The teams of which a delivery waits for credits."""
        return [team_id for team_id, account in self._accounts.items() if account.waiting and account.dry]

    def account(self, team_id: str) -> Account:
        """Return a team's account, a new one if there is none."""
        if (account := self._accounts.get(team_id)) is None:
            account = self._accounts[team_id] = Account(_FIRST_PORTION * self._price)
        return account

    def take(self, account: Account) -> bool:
        """Reserve one delivery's price, if it is available."""
        if account.available < self._price:
            return False
        account.available -= self._price
        account.reserved += self._price
        account.lowest = min(account.lowest, account.available)
        return True

    def settle(self, team_id: str, *, charged: bool | None) -> None:
        """End a reservation (None: whether it was charged is not known)."""
        account = self._accounts[team_id]
        account.reserved -= self._price
        if charged is None:
            account.unsure = True
        elif not charged:
            account.available += self._price
            account.changed.unpark_all()

    def balance_changed(self, team_id: str, *, lowered: bool) -> bool:
        """Ask anew for those who wait; if it may be `lowered`, give up what is not reserved. Return whether to send."""
        if (account := self._accounts.get(team_id)) is None:
            return False
        if lowered:
            account.available, account.lowest, account.unsure = 0, 0, True
        account.lacks = account.waiting > 0 or lowered
        return account.lacks

    def turn(self) -> None:
        """Let go of what was not needed since the last turn, and of accounts that nobody uses."""
        for team_id, account in list(self._accounts.items()):
            if account.lowest and not account.waiting:
                account.available -= account.lowest
                account.portion = max(account.portion // 2, _FIRST_PORTION * self._price)
                account.unsure = True
            account.lowest = account.available
            if not (account.available or account.reserved or account.waiting or account.unsure):
                del self._accounts[team_id]

    def due(self, *, unsure: bool) -> list[str]:
        """Return of which teams a wish is to be sent: those that lack credits and, once a turn, the unsure ones."""
        return [team_id for team_id, account in self._accounts.items() if account.lacks or (unsure and account.unsure)]

    def send(self, team_ids: Sequence[str]) -> Sent:
        """Return the wishes of these accounts; they must be given to the writer before anything else happens."""
        accounts = [self._accounts[team_id] for team_id in team_ids]
        return Sent(tuple(map(self._wish, team_ids, accounts)), accounts)

    def _wish(self, team_id: str, account: Account) -> HoldWish:
        needed = max(account.waiting * self._price - account.available, 0)
        wanted = max(needed, account.portion) if needed else 0
        account.lacks = False
        account.unsure = account.unsure and account.reserved > 0
        return HoldWish(team_id, account.available + account.reserved, needed=needed, wanted=wanted)

    def added(self, sent: Sent, amounts: Mapping[str, int]) -> None:
        """Take note of what was added, before another command is carried out."""
        if sent.abandoned:
            return  # a later wish may have been sent without it
        for wish, account in zip(sent.wishes, sent.accounts, strict=True):
            account.available += amounts[wish.team_id]
            account.dry = amounts[wish.team_id] < wish.needed
            if wish.wanted and not account.dry:
                account.portion = min(account.portion * 2, _LARGEST_PORTION * self._price)
            account.changed.unpark_all()

    def abandon(self, sent: Sent) -> None:
        """Take note that the answer did not come, and count on nothing that it adds."""
        sent.abandoned = True
        for account in sent.accounts:
            account.unsure = True
