"""Mutual exclusion between the tasks of one actor."""

from types import TracebackType

import trio


class Mutex:
    """A lock that takes no turn of the event loop while it is free, as `trio.Lock` always does.

    For steps that come with every delivery and are rarely contended. Who waits is served in order.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
