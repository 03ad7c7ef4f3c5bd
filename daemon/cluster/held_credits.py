"""Holds deliveries back while their team cannot pay for them, in a cluster: a `Gate` (contract "Credits").

Each node delivers with what it holds of a team's credits (`daemon.cluster.holdings`, `daemon.store.postgresql.holds`).
It takes holds in portions, so that a busy team's deliveries need no transactions for it.

Nobody waits for ever while there is credit. Who lacks credits has a wish sent at once; if nothing is free, it is sent
again when the team's balance changes (`granted`, `look_again`), and when a turn finds credits that no node holds: what
a node does not use it gives back within two turns, and what an ended one held counts for nothing.

What is held belongs to a life of the node. When one ends, all its deliveries are cancelled before the next one begins
(`daemon.cluster.membership`, 3): so the next one begins with nothing, and nothing is settled that it did not reserve.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import trio

from daemon.cluster.holdings import Account, Holdings, Sent
from daemon.cluster.requests import Ownership
from daemon.domain.errors import StoreUnavailable
from daemon.store.hold_commands import ChangeHolds
from daemon.store.postgresql.holds import with_credit
from daemon.store.store import Store

TURN_S = 1.0
# Teams in one command, and teams that wait which are looked at in one turn: some milliseconds of the database.
_AT_ONCE = 200


class HeldCredits:
    """The gate of a node, and the actor that changes its holds. Without enforcement it holds nothing back."""

    def __init__(self, price: int, enforce: bool, *, store: Store, ownership: Ownership) -> None:
        self._price = price if enforce else 0
        self._reader = store.reader
        self._writer = store.writer
        self._ownership = ownership
        self._holdings = Holdings(self._price)
        self._life = 0
        self._asked = trio.Event()
        self._looked_at = 0

    @property
    def enforced(self) -> bool:
        """Whether anything is ever held back."""
        return self._price > 0

    @property
    def waiting_teams(self) -> int:
        """How many teams have deliveries that wait for credits."""
        return len(self._holdings.dry)

    async def reserve(self, team_id: str, on_wait: Callable[[], None]) -> None:
        """Wait until the team can pay for one more delivery, and reserve its price.

        `on_wait` is called once if it has not the credits.
        """
        if not self._price:
            return
        self._look_at_life()
        account = self._holdings.account(team_id)
        if not self._holdings.take(account):
            account.waiting += 1
            try:
                await self._wait(account, on_wait)
            finally:
                account.waiting -= 1

    def settle(self, team_id: str, *, charged: bool | None) -> None:
        """End a reservation, a charged one after COMMIT. None means that it is not known whether it was charged."""
        if self._price:
            self._holdings.settle(team_id, charged=charged)

    def granted(self, team_id: str, amount: int) -> None:
        """Take note of a grant or a correction, after COMMIT."""
        if self._holdings.balance_changed(team_id, lowered=amount < 0):
            self._asked.set()

    def look_again(self, team_id: str) -> None:
        """Take note that a node has changed a team's balance, by an amount that is not known."""
        if self._holdings.balance_changed(team_id, lowered=True):
            self._asked.set()

    async def run(self) -> None:
        """Change holds as it is needed, until cancelled."""
        self._look_at_life()
        turn_at = trio.current_time() + TURN_S
        while True:
            with trio.CancelScope(deadline=turn_at if len(self._holdings) else math.inf):
                await self._asked.wait()
            self._asked = trio.Event()
            if is_turn := trio.current_time() >= turn_at:
                turn_at = trio.current_time() + TURN_S
                self._holdings.turn()
                await self._look_for_credit()
            await self._send(self._holdings.due(unsure=is_turn))

    def _look_at_life(self) -> None:
        if 0 < self._ownership.node != self._life:
            self._life, self._holdings = self._ownership.node, Holdings(self._price)

    async def _wait(self, account: Account, on_wait: Callable[[], None]) -> None:
        told = False
        self._ask(account)
        while True:
            await account.changed.park()
            if self._holdings.take(account):
                return
            if not account.dry:
                self._ask(account)
            elif not told:
                told = True
                on_wait()

    def _ask(self, account: Account) -> None:
        account.lacks = True
        self._asked.set()

    async def _look_for_credit(self) -> None:
        """Look whether there is credit now for some of the teams that wait; each has its turn."""
        waiting = self._holdings.dry
        if not waiting:
            return
        begin = self._looked_at if self._looked_at < len(waiting) else 0
        self._looked_at = begin + _AT_ONCE
        try:
            found = await self._reader.fetch(with_credit, waiting[begin : begin + _AT_ONCE], self._price)
        except StoreUnavailable:
            return
        for team_id in found:
            self._holdings.account(team_id).lacks = True

    async def _send(self, team_ids: Sequence[str]) -> None:
        for begin in range(0, len(team_ids), _AT_ONCE):
            if not await self._exchange(self._holdings.send(team_ids[begin : begin + _AT_ONCE])):
                return  # the next turn tries again

    async def _exchange(self, sent: Sent) -> bool:
        """Have holds changed; return whether they are."""
        command, answered = ChangeHolds(self._life, self._price, sent.wishes), False
        try:
            await self._writer.execute(command, partial(self._holdings.added, sent))
            answered = True
        except StoreUnavailable:
            pass
        finally:
            if not answered:
                self._holdings.abandon(sent)
        return answered
