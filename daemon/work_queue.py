"""What an endpoint actor has to deliver, in order: hints where there are any, else pages from the database."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from daemon.mailbox import Mailbox
from daemon.model import Work

# Small: each webhook with work holds a page of it in memory, bodies and all.
PAGE = 16

ReadPending = Callable[[int], Awaitable[Sequence[Work]]]


class WorkQueue:
    """Merges the mailbox's hints with the pending rows of the database; each delivery comes out once, by `seq`.

    `read_pending(limit)` answers the first pending rows. `page` is what it answered for `PAGE`, if that was read
    already, after the mailbox had caught up. Ask for the next delivery only when the last one is over and committed:
    what is pending then was never taken.
    """

    __slots__ = ("_highest_seq", "_mailbox", "_page", "_read_pending", "_times_forgotten")

    def __init__(self, mailbox: Mailbox, read_pending: ReadPending, page: Sequence[Work] = ()) -> None:
        self._mailbox = mailbox
        self._read_pending = read_pending
        self._page: deque[Work] = deque()
        self._highest_seq = 0
        self._times_forgotten = 0
        self._keep(page)

    async def next(self) -> Work | None:
        """Return the next pending delivery, None if there is none just now."""
        while True:
            if work := self._take():
                self._highest_seq = max(self._highest_seq, work.seq)
                return work
            if not self._mailbox.behind:
                return None
            await self._refill()

    def forget(self) -> None:
        """Drop what was read ahead, since some of it may be cancelled now: the database tells what is left."""
        self._times_forgotten += 1
        self._page.clear()
        self._mailbox.fall_behind()

    def _take(self) -> Work | None:
        if self._page:
            return self._page.popleft()
        hints = self._mailbox.hints
        while hints and hints[0].seq <= self._highest_seq:  # read from the database already
            hints.popleft()
        return hints.popleft() if hints else None

    async def _refill(self) -> None:
        # Hints are taken again before the reading begins: what the reading misses comes as a hint, what both bring
        # is told by its seq. Rows are read from the first pending one on, whatever was taken before: a resent delivery
        # may become known behind the hint of a younger one.
        self._mailbox.catch_up()
        times_forgotten = self._times_forgotten
        page = await self._read_pending(PAGE)
        if self._times_forgotten != times_forgotten:
            return  # this page, too, was read ahead
        self._keep(page)

    def _keep(self, page: Sequence[Work]) -> None:
        self._page.extend(page)
        if len(page) == PAGE:
            self._mailbox.fall_behind()
