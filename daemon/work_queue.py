"""What an endpoint actor has to deliver, in order: hints where there are any, else pages from the database."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from daemon.mailbox import Mailbox
from daemon.model import Work

PAGE = 64

ReadPending = Callable[[int, int], Awaitable[Sequence[Work]]]


class WorkQueue:
    """Merges the mailbox's hints with the pending rows of the database; each delivery comes out once, by `seq`."""

    __slots__ = ("_last_seq", "_mailbox", "_page", "_read_pending")

    def __init__(self, mailbox: Mailbox, read_pending: ReadPending) -> None:
        self._mailbox = mailbox
        self._read_pending = read_pending
        self._page: deque[Work] = deque()
        self._last_seq = 0

    async def next(self) -> Work | None:
        """Return the next pending delivery, None if there is none just now."""
        while True:
            work = self._take()
            if work is None:
                if not self._mailbox.behind:
                    return None
                await self._refill()
            elif work.seq > self._last_seq:  # else a hint of what was read from the database already
                self._last_seq = work.seq
                return work

    def forget(self) -> None:
        """Drop what was read ahead, since some of it may be cancelled now: the database tells what is left."""
        self._page.clear()
        self._mailbox.fall_behind()

    def _take(self) -> Work | None:
        if self._page:
            return self._page.popleft()
        return self._mailbox.hints.popleft() if self._mailbox.hints else None

    async def _refill(self) -> None:
        # Hints are taken again before the reading begins: what the reading misses comes as a hint, what both bring
        # is told by its seq.
        self._mailbox.catch_up()
        page = await self._read_pending(self._last_seq, PAGE)
        self._page.extend(page)
        if len(page) == PAGE:
            self._mailbox.fall_behind()
