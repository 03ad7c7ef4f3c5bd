"""One piece of blocking work at a time, in a thread, in the order in which teams' turns come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from daemon.actors.fair_queue import FairQueue
from daemon.actors.threads import RunInThread

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: trio.Event = field(default_factory=trio.Event)
    has_gone: bool = False


class FairLane:
    """What waits is served so that each team gets the same cost served."""

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._run_in_thread = run_in_thread
        self._waiting: FairQueue[_Waiter] = FairQueue()
        self._busy = False

    async def run(self, team: str, cost: float, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, when its turn has come."""
        if self._busy:
            await self._wait(team, cost)
        self._busy = True
        try:
            return await self._run_in_thread(work)
        finally:
            self._proceed()

    async def _wait(self, team: str, cost: float) -> None:
        waiter = _Waiter()
        self._waiting.put(team, cost, waiter)
        try:
            await waiter.turn.wait()
        except trio.Cancelled:
            waiter.has_gone = True
            if waiter.turn.is_set():
                self._proceed()
            raise

    def _proceed(self) -> None:
        while self._waiting:
            waiter = self._waiting.take()
            if not waiter.has_gone:
                waiter.turn.set()  # it stays busy: the turn is the waiter's
                return
        self._busy = False
