"""A wait that another task can end: how an actor sleeps and can still be told to stop."""

from collections.abc import Awaitable, Callable

import trio


class Pause:
    """One actor's waits, one at a time. Once closed, every wait ends at once."""

    __slots__ = ("_scope", "closed")

    def __init__(self) -> None:
        self._scope: trio.CancelScope | None = None
        self.closed = False

    async def wait(self, seconds: float, until: Callable[[], Awaitable[None]] = trio.sleep_forever) -> bool:
        """Wait for `until`, at most `seconds`; return whether it finished: False if time ran out or it was ended."""
        if self.closed or seconds <= 0:
            return False
        with trio.move_on_after(seconds) as self._scope:
            await until()
        ended = self._scope.cancelled_caught
        self._scope = None
        return not ended

    def end(self) -> None:
        """End the current wait, if there is one."""
        if self._scope is not None:
            self._scope.cancel()

    def close(self) -> None:
        """End this wait and all later ones."""
        self.closed = True
        self.end()
