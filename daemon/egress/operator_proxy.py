"""The operator's proxy, shared by all webhooks: while it is down they wait, and one at a time finds out if it works.

So its fault is no webhook's failure, and a proxy that is down gets no connection for each delivery that waits.
"""

from collections.abc import Callable

import trio

from daemon.egress.proxy import Proxy

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 10.0


class OperatorProxy:
    """Whether the proxy works, as the attempts find it. `on_change` is told when that changes: why not, or None."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.on_change: Callable[[str | None], None] = lambda _: None
        self.faults = 0
        self._fault: str | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._next_try_at = 0.0
        self._works = trio.Event()
        self._trying = trio.Lock()

    @property
    def is_down(self) -> bool:
        """Whether the last attempt that needed it found it at fault."""
        return self._fault is not None

    async def wait(self) -> None:
        """Return when it works, or when it is the caller's turn to find out: after a second, later every 10 s."""
        if not self.is_down:
            return
        async with self._trying:
            while self.is_down and (pause_s := self._next_try_at - trio.current_time()) > 0:
                with trio.move_on_after(pause_s):
                    await self._works.wait()
            if self.is_down:
                self._next_try_at = trio.current_time() + self._pause_s
                self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def works(self) -> None:
        """Take note that it has just answered as a proxy does."""
        if self.is_down:
            self._fault, self._pause_s = None, _FIRST_PAUSE_S
            self._works.set()
            self.on_change(None)

    def has_failed(self, fault: str) -> None:
        """Take note of a fault of its own, a clause for people."""
        self.faults += 1
        if not self.is_down:
            self._works, self._fault = trio.Event(), fault
            self._next_try_at = trio.current_time() + self._pause_s
            self.on_change(fault)
