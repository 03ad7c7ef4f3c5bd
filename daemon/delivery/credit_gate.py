"""Holds deliveries back while their team cannot pay for them (contract "Credits", `credits.enforce`).

A delivery reserves its price before its first attempt and settles when it is over, so that deliveries in flight
together never cost more than the balance. A team's account lives here only while something is reserved or waits.

Theory of operation
~~~~~~~~~~~~~~~~~~~

The balance is in the database, where the writer changes it. Kept here, for each team with `users`, is what may still be
reserved. An account is in one of three states:

- *unknown* (`available` is None): whoever needs it reads the balance through the writer, so in order with all commits.
- *known*: `available` = balance - `reserved`, exactly.
- *a lower bound* (`may_be_less`): when the balance was read, `reserved` was more than 0; some of that may have been
  charged by then, and is then subtracted twice. It is never too high, so nobody delivers on credit.

What moves it: `reserve` takes the price from `available`; `settle` gives it back, or, if it was charged, lets it be
spent; `granted` adds. Two things make it unknown again: the end of a charged delivery while it is a lower bound, so
that what was subtracted twice comes back, and a delivery of which nobody knows whether it was charged (a crash).

`changes` counts grants and transitions to unknown. A read in progress at that moment may or may not have seen the
commit behind it: it is discarded and repeated. So a grant is counted exactly once, before or after.

Nobody waits forever: whoever waits for credits is woken by anything that raises `available` and by the transition to
unknown, and then checks again. Within a team nobody has a fixed turn: order within a webhook is its actor's task.

There is no await between checking `available` and taking from it, so tasks cannot take the same credits. `reserve`
may be cancelled at any await: it has reserved nothing then and leaves the account, which the last user removes.
`settle` and `granted` await nothing and are called after COMMIT, so cancellation cannot come between.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio


@dataclass(slots=True)
class _Account:
    """`available` is the balance less what is reserved; None while it is being read.

    It is too low when it `may_be_less` than that: what was reserved when it was read may have been charged by then.
    `changes` counts what invalidates a read in progress. `users` have reserved, or are about to; `waiting` of them
    lack credits.
    """

    available: int | None = None
    may_be_less: bool = False
    reserved: int = 0
    changes: int = 0
    users: int = 0
    waiting: int = 0
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)


class Gate(Protocol):
    """Holds a delivery back until its team can pay for it."""

    @property
    def enforced(self) -> bool:
        """Whether anything is ever held back."""

    @property
    def waiting_teams(self) -> int:
        """How many teams have deliveries that wait for credits."""

    async def reserve(self, team_id: str, on_wait: Callable[[], None]) -> None:
        """Wait until the team can pay for one more delivery, and reserve its price; `on_wait` is called if it waits."""

    def settle(self, team_id: str, *, charged: bool | None) -> None:
        """End a reservation, a charged one after COMMIT; None means that it is not known whether it was charged."""

    def granted(self, team_id: str, amount: int) -> None:
        """Take note of a grant, after COMMIT."""

    def look_again(self, team_id: str) -> None:
        """Take note that another process has changed a team's balance."""


class _FreeOfCharge:
    """The gate of deliveries that cost nothing."""

    enforced = False
    waiting_teams = 0

    async def reserve(self, team_id: str, on_wait: Callable[[], None]) -> None:
        pass

    def settle(self, team_id: str, *, charged: bool | None) -> None:
        pass

    def granted(self, team_id: str, amount: int) -> None:
        pass

    def look_again(self, team_id: str) -> None:
        pass


FREE_OF_CHARGE: Gate = _FreeOfCharge()


class CreditGate:
    """Who may deliver, by the team's balance. Without enforcement everyone may, at no cost."""

    def __init__(self, price: int, enforce: bool, balance_of: Callable[[str], Awaitable[int]]) -> None:
        self._price = price if enforce else 0
        self._balance_of = balance_of
        self._accounts: dict[str, _Account] = {}

    @property
    def enforced(self) -> bool:
        """Whether anything is ever held back."""
        return self._price > 0

    @property
    def waiting_teams(self) -> int:
        """How many teams have deliveries that wait for credits."""
        return sum(account.waiting > 0 for account in self._accounts.values())

    async def reserve(self, team_id: str, on_wait: Callable[[], None]) -> None:
        """Wait until the team can pay for one more delivery, and reserve its price.

        `on_wait` is called once if that is not possible immediately.
        """
        if not self._price:
            return
        account = self._accounts.setdefault(team_id, _Account())
        account.users += 1
        try:
            await self._take(team_id, account, on_wait)
        except BaseException:
            self._release(team_id, account)
            raise

    def settle(self, team_id: str, *, charged: bool | None) -> None:
        """End a reservation, a charged one after COMMIT: the price is spent, or available again.

        None means that this is not known, as after a crash: then the balance is read again.
        """
        if not self._price:
            return
        account = self._accounts[team_id]
        account.reserved -= self._price
        if charged is None or (charged and account.may_be_less):
            self._read_again(account)
        elif not charged:
            self._add(account, self._price)
        self._release(team_id, account)

    def granted(self, team_id: str, amount: int) -> None:
        """Take note of a grant, after COMMIT."""
        if account := self._accounts.get(team_id):
            account.changes += 1
            self._add(account, amount)

    def look_again(self, team_id: str) -> None:
        """Take note that another process has granted credits: the balance is read again."""
        if account := self._accounts.get(team_id):
            self._read_again(account)

    async def _take(self, team_id: str, account: _Account, on_wait: Callable[[], None]) -> None:
        available = await self._available(team_id, account)
        if available < self._price:
            on_wait()
            available = await self._wait_for_credits(team_id, account)
        account.available = available - self._price
        account.reserved += self._price

    async def _wait_for_credits(self, team_id: str, account: _Account) -> int:
        account.waiting += 1
        try:
            available = 0
            while available < self._price:
                await account.changed.park()
                available = await self._available(team_id, account)
            return available
        finally:
            account.waiting -= 1

    async def _available(self, team_id: str, account: _Account) -> int:
        while account.available is None:
            changes = account.changes
            balance = await self._balance_of(team_id)
            # What was committed in the meantime may or may not be included: read again.
            if account.available is None and account.changes == changes:
                account.available = balance - account.reserved
                account.may_be_less = account.reserved > 0
        return account.available

    def _read_again(self, account: _Account) -> None:
        account.available, account.may_be_less = None, True
        account.changes += 1
        account.changed.unpark_all()

    def _add(self, account: _Account, amount: int) -> None:
        if account.available is not None:
            account.available += amount
            account.changed.unpark_all()

    def _release(self, team_id: str, account: _Account) -> None:
        account.users -= 1
        if not account.users:
            del self._accounts[team_id]
