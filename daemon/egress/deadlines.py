"""When exchanges have to be over: one task hangs up on the receivers that are late.

A cancel scope of Trio's for each exchange would do the same, at a tenth of what the event loop does for a delivery.
"""

from typing import Protocol

import trio

# When thousands of receivers hang, looking through all exchanges for each that ends would take too long.
_BETWEEN_LOOKS_S = 0.01


class Exchange(Protocol):
    """What has a deadline."""

    def hang_up(self) -> None:
        """Have it raise DeadlinePassed where it waits now, or next."""


class Deadlines:
    """Shared by all transports. An exchange that is late ends 10 ms after its deadline at the latest.

    The task is one of Trio's system tasks: a stop must not cancel it while exchanges go on. It is there only while
    there is a deadline to wait for.
    """

    __slots__ = ("_next_look", "_open")

    def __init__(self) -> None:
        self._open: dict[Exchange, float] = {}
        self._next_look: trio.CancelScope | None = None

    def begin(self, exchange: Exchange, deadline: float) -> None:
        """Have the exchange broken off at this time (Trio's clock), unless it has ended before."""
        self._open[exchange] = deadline
        if self._next_look is None:
            self._next_look = trio.CancelScope(deadline=deadline)
            trio.lowlevel.spawn_system_task(self._run)
        elif deadline < self._next_look.deadline:
            self._next_look.deadline = deadline

    def end(self, exchange: Exchange) -> None:
        """Let go of an exchange that has ended, in whichever way."""
        self._open.pop(exchange, None)

    async def _run(self) -> None:
        while self._next_look is not None:
            with self._next_look:
                await trio.sleep_forever()
            self._hang_up(trio.current_time())

    def _hang_up(self, now: float) -> None:
        late = [exchange for exchange, deadline in self._open.items() if deadline <= now]
        for exchange in late:
            del self._open[exchange]
            exchange.hang_up()
        first = min(self._open.values(), default=None)
        self._next_look = None if first is None else trio.CancelScope(deadline=max(first, now + _BETWEEN_LOOKS_S))
