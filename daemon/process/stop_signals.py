"""SIGTERM and SIGINT, from the first instant to the last (contract "Command line").

Handlers of our own, for process 1 of a container ignores a signal that has none, and Python's own for SIGINT raises
wherever it strikes. Before the daemon can stop in good order there is nothing to finish: what is not committed is as
after a crash, and the lock goes with the process.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

import trio

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MOST_WAITING = 16
EXIT_STOPPED, EXIT_INTERRUPTED = 0, 130


@dataclass(slots=True)
class StopSignals:
    """What the signals do from now on: they end the process at once until `received` runs, which then gives them.

    A second SIGINT ends the process at once, with 130. `before_end()` is called before the process ends so.
    """

    before_end: Callable[[], object]
    _interrupts: int = 0
    _forward: Callable[[int], None] | None = field(default=None)

    def install(self) -> None:
        """Take the signals."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    async def received(self) -> AsyncIterator[signal.Signals]:
        """Give each signal as it comes, until cancelled."""
        send, receive = trio.open_memory_channel[int](_MOST_WAITING)
        token = trio.lowlevel.current_trio_token()

        def put(number: int) -> None:
            with suppress(trio.WouldBlock):
                send.send_nowait(number)

        def forward(number: int) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(put, number)

        self._forward = forward
        async for number in receive:
            yield signal.Signals(number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            self._end(EXIT_INTERRUPTED)
        if self._forward is None:
            self._end(EXIT_STOPPED)
        else:
            self._forward(number)

    def _end(self, code: int) -> None:
        self.before_end()
        os._exit(code)
