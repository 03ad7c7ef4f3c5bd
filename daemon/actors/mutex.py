"""Mutual exclusion between the tasks of one actor."""

from types import TracebackType

import trio


class Mutex:
    """A lock that does not yield to the event loop when it is free; `trio.Lock` always does.

    For steps that come with every delivery and are rarely contended. Waiters are served in order; a wait that is
    cancelled takes nothing. Not reentrant.
    """

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._held = False
        self._waiting = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> None:
        if self._held:
            await self._waiting.park()  # on waking up, this task holds the lock
        self._held = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting:
            self._waiting.unpark()
        else:
            self._held = False
