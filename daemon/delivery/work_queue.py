"""What an endpoint actor has to deliver, in order: hints where there are any, else pages from the database.

Theory of operation
~~~~~~~~~~~~~~~~~~~

The database is the queue. Two things come from it: pages, read here, and hints, which the router puts into the mailbox
after each commit, in the order of `seq`. The queue is in one of two states, told apart by `mailbox.behind`:

- *in step* (`behind` is False): every pending delivery that was not taken yet is in the page or, in order, among the
  hints; nothing has to be read.
- *behind*: there may be more in the database than is here. Hints are not kept then, and are not missed.

It falls behind when the mailbox overflows, when a page came back full, and when what was read ahead is dropped: by
`clear`, since some of it may be cancelled, or since something has a place before it (`mailbox.overtaken`). It catches
up by reading a page, *after* it began to take hints again: a delivery that is committed before the reading is in the
page, one that is committed later is hinted at, one in between is both.

Each comes out once, and in order:

- The page goes before the hints. What is in it was pending when it was read, hence is older than any hint that is not
  in it, too.
- A delivery in both has a `seq` up to the highest one taken by then: its hint is dropped. A `seq` below the
  highest that comes in a page is not a duplicate: it is read only when every delivery taken before is over, or set
  aside, and committed, so none of them is pending in order, unless it was taken back since. (A resent delivery comes
  without a hint, by `Fleet.wake`: possibly behind the hint of a younger one.)

Deliveries of *low* priority come out while there are no others: they have a page and hints of their own, each with the
same rules. `mailbox.more_low` says that there may be more of them in the database than is here; it does not stop the
hints of the others, so none of these waits behind a page of low ones.

One task calls `next` and, under cancellation, loses what it took: it is pending in the database, and the next life
begins behind. Another task may call `clear` while a page is being read: that page is dropped as well.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from daemon.delivery.mailbox import Mailbox
from daemon.domain.model import Work

# What all queues together may read ahead, unless there are so many that each gets the smallest page: pages are held in
# memory, including bodies.
_READ_AHEAD = 4_096
# A queue's first page is small, since many may begin at once.
FIRST_PAGE, _LARGEST_PAGE = 12, 128


def page_size(queues: int) -> int:
    """Return how many deliveries each of this many queues should read at once."""
    return max(FIRST_PAGE, min(_LARGEST_PAGE, _READ_AHEAD // max(1, queues)))


ReadPending = Callable[[int], Awaitable[Sequence[Work]]]


class WorkQueue:
    """Merges the mailbox's hints with the pending rows of the database; each delivery comes out once, by `seq`.

    `read_pending(limit)` answers the first pending rows; `page_limit()` tells how many to read. `page` is what it
    answered for `FIRST_PAGE`, if that was read already, after the mailbox had caught up. What was taken must be over
    and committed before `read_pending` reads: what is pending then was never taken.
    """

    __slots__ = (
        "_highest_low",
        "_highest_seq",
        "_low",
        "_mailbox",
        "_page",
        "_page_limit",
        "_read_pending",
        "_times_forgotten",
    )

    def __init__(
        self, mailbox: Mailbox, read_pending: ReadPending, page_limit: Callable[[], int], *, page: Sequence[Work] = ()
    ) -> None:
        self._mailbox = mailbox
        self._read_pending = read_pending
        self._page_limit = page_limit
        self._page: deque[Work] = deque()
        self._highest_seq = self._highest_low = 0
        self._low: deque[Work] = deque()
        self._times_forgotten = 0
        self._keep(page, FIRST_PAGE)

    async def next(self) -> Work | None:
        """Return the next pending delivery, None if there is none now."""
        while True:
            if self._mailbox.overtaken:
                self._page.clear()
            if work := self._take():
                self._highest_seq = max(self._highest_seq, work.seq)
                return work
            if self._mailbox.behind:
                await self._refill()
            elif low := self._take_low():
                self._highest_low = max(self._highest_low, low.seq)
                return low
            elif self._mailbox.more_low:
                await self._refill()
            else:
                return None

    def clear(self) -> None:
        """Drop what was read ahead, since some of it may be cancelled now: the database has what is left."""
        self._times_forgotten += 1
        self._page.clear()
        self._low.clear()
        self._mailbox.mark_stale()

    def _take(self) -> Work | None:
        if self._page:
            return self._page.popleft()
        hints = self._mailbox.hints
        while hints and hints[0].seq <= self._highest_seq:  # read from the database already
            hints.popleft()
        return hints.popleft() if hints else None

    def _take_low(self) -> Work | None:
        if self._low:
            return self._low.popleft()
        hints = self._mailbox.low
        while hints and hints[0].seq <= self._highest_low:  # read from the database already
            hints.popleft()
        return hints.popleft() if hints else None

    async def _refill(self) -> None:
        # Hints are taken again before the reading begins: what the reading misses comes as a hint, what comes
        # twice is recognised by its seq. Rows are read from the first pending one on, whatever was taken before: a
        # resent delivery may become known after the hint of a newer one.
        self._mailbox.mark_fresh()
        times_forgotten, limit = self._times_forgotten, self._page_limit()
        page = await self._read_pending(limit)
        if self._times_forgotten != times_forgotten:
            return  # this page, too, was read ahead
        self._keep(page, limit)

    def _keep(self, page: Sequence[Work], limit: int) -> None:
        self._page.extend(work for work in page if not work.low)
        self._low = deque(work for work in page if work.low)
        if len(page) < limit:
            return
        if self._low:
            self._mailbox.more_low = True
            self._mailbox.low.clear()
        else:
            self._mailbox.mark_stale()
