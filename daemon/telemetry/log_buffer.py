"""The log on its way to a sink that may stall: whoever logs never waits (contract "Configuration", `[log]`).

A pipe that nobody reads, a terminal stopped with Ctrl-S and a network disk can block a write indefinitely,
and a descriptor that others share must not be made non-blocking. So a dedicated thread writes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread

Write = Callable[[Sequence[bytes]], int]

MAX_QUEUED_BYTES = 4 * 1024 * 1024
MAX_QUEUED_BYTES_WITH_A_MESSAGE = MAX_QUEUED_BYTES // 4  # Python's messages must not crowd out the daemon's own lines
_AT_ONCE = 256
# Each wake-up takes the interpreter from a busy event loop: so lines are written by the hundred, not one by one.
_GATHER_S = 0.05


class LogBuffer:
    """The output structlog writes to. `write(entries)` may block for any time and returns how many it lost.

    When MAX_QUEUED_BYTES wait already, an entry is dropped. `count_lost(count)` is called for what is dropped and
    lost, from any thread; `report_dropped(count)`, from the writing thread, when entries get through again.
    """

    def __init__(self, write: Write, count_lost: Callable[[int], object]) -> None:
        self.report_dropped: Callable[[int], object] = lambda count: None
        self._write = write
        self._count_lost = count_lost
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._unreported = 0
        self._lock = Lock()
        self._wake, self._idle = Event(), Event()
        self._idle.set()
        self._closing = Event()
        self._thread: Thread | None = None

    def msg(self, entry: bytes) -> None:
        """Take one entry; never waits for the sink."""
        self.msg_all((entry,))

    def msg_all(self, entries: Sequence[bytes], most_bytes: int = MAX_QUEUED_BYTES) -> None:
        """Take these entries, in their order; never waits for the sink. Drops those with which more would wait."""
        dropped = 0
        with self._lock:
            for entry in entries:
                if self._size + len(entry) <= most_bytes:
                    self._waiting.append(entry)
                    self._size += len(entry)
                else:
                    dropped += 1
            self._unreported += dropped
        if dropped:
            self._count_lost(dropped)
        if dropped < len(entries) and not self._wake.is_set():
            self._idle.clear()
            self._wake.set()
            self._start()

    debug = info = warning = error = msg

    def close(self, deadline_s: float) -> bool:
        """Write what is waiting, for at most `deadline_s`. Returns whether nothing is left: all was written or lost."""
        self._closing.set()
        return self._idle.wait(deadline_s)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)  # it may hang when the process ends
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._closing.wait(_GATHER_S)
            self._wake.clear()
            while entries := self._take():
                self._put(entries)
            with self._lock:
                if not self._waiting:
                    self._idle.set()

    def _take(self) -> list[bytes]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]

    def _put(self, entries: list[bytes]) -> None:
        lost = self._write(entries)
        with self._lock:
            self._size -= sum(map(len, entries))
            self._unreported += lost
            untold = self._unreported
            if told := untold > 0 and lost < len(entries):
                self._unreported = 0
        if lost:
            self._count_lost(lost)
        if told:
            self.report_dropped(untold)


class MessagesOutput:
    """The output of what Python itself has to say: it takes its share of the buffer, and leaves the rest to the log."""

    def __init__(self, buffer: LogBuffer) -> None:
        self._buffer = buffer

    def msg(self, entry: bytes) -> None:
        """Take one entry, or drop it; never waits for the sink."""
        self._buffer.msg_all((entry,), most_bytes=MAX_QUEUED_BYTES_WITH_A_MESSAGE)

    debug = info = warning = error = msg
