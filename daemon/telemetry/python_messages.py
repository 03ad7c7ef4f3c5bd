"""What Python itself would write on stdout and stderr goes to the log instead, and whoever writes never waits.

Warnings, "Exception ignored in", uncaught exceptions of threads, print and logging's last resort write to `sys.stdout`
or `sys.stderr`, from any thread and at any moment: in a destructor, too, which may run within whatever holds a lock.
"""

import faulthandler
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOBase
from queue import Empty, SimpleQueue
from threading import Event, Thread

_MOST_WAITING = 1_000
_PIECE_CHARACTERS = 4_096
_MESSAGE_CHARACTERS = 16_384
_QUIET_S = 0.05  # a message comes in many pieces, one right after the other


class PythonMessages(TextIOBase):
    """A stream for text, each burst of which becomes one call of `report(text)` in a separate thread.

    When too much waits, it is dropped, and `count_lost(1)` called.
    """

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self, report: Callable[[str], object], count_lost: Callable[[int], object]) -> None:
        self._report = report
        self._count_lost = count_lost
        self._pieces: SimpleQueue[str | Event] = SimpleQueue()  # safe to use from a destructor
        Thread(target=self._run, name="python messages", daemon=True).start()

    def writable(self) -> bool:
        """See TextIOBase."""
        return True

    def write(self, text: str) -> int:
        """Take the text, or drop it; never waits."""
        if self._pieces.qsize() < _MOST_WAITING:
            self._pieces.put(text[:_PIECE_CHARACTERS])
        else:
            self._count_lost(1)
        return len(text)

    def drain(self, deadline_s: float) -> None:
        """Wait until everything written so far is reported, for at most `deadline_s`."""
        told = Event()
        self._pieces.put(told)
        told.wait(deadline_s)

    def _run(self) -> None:
        while True:
            message, told = self._next_message()
            if message.strip():
                with suppress(Exception):  # an exception would be written to this very stream
                    self._report(message.strip())
            if told is not None:
                told.set()

    def _next_message(self) -> tuple[str, Event | None]:
        pieces, size, wait_s = list[str](), 0, None
        with suppress(Empty):
            while size < _MESSAGE_CHARACTERS:
                piece = self._pieces.get(timeout=wait_s)
                if isinstance(piece, Event):
                    return "".join(pieces), piece
                pieces.append(piece)
                size += len(piece)
                wait_s = _QUIET_S
        return "".join(pieces), None


def take_standard_streams(messages: PythonMessages) -> None:
    """From now on, send everything this process writes to stdout and stderr there."""
    sys.stdout = sys.stderr = messages
    if faulthandler.is_enabled():  # it bypasses them when the process crashes
        with suppress(OSError):
            faulthandler.enable(os.open("/proc/self/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
