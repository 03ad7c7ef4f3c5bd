"""Each pending delivery comes out once and in order, by whatever way it became known."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from daemon.delivery.mailbox import CAPACITY, Mailbox
from daemon.delivery.work_queue import FIRST_PAGE, WorkQueue, page_size
from daemon.domain.model import Work

LIMIT = 16


def work(seq: int) -> Work:
    return Work(seq, f"dlv_{seq}", "evt_1", "a.b", b"{}", created_at=0)


@dataclass(slots=True)
class Rows:
    """The pending rows; `reading` stops a reading until it is set, after the rows were looked at."""

    pending: list[int] = field(default_factory=list)
    reading: trio.Event | None = None
    readings: int = 0

    async def read(self, limit: int) -> Sequence[Work]:
        self.readings += 1
        page = [work(seq) for seq in self.pending[:limit]]
        if self.reading is not None:
            await self.reading.wait()
        return page


async def drained(queue: WorkQueue, rows: Rows) -> list[int]:
    """Take all there is, each delivery being over before the next."""
    taken = []
    while (one := await queue.next()) is not None:
        rows.pending.remove(one.seq)
        taken.append(one.seq)
    return taken


async def test_what_is_pending_at_the_start_is_read_page_by_page() -> None:
    rows, mailbox = Rows(list(range(1, 2 * LIMIT + 2))), Mailbox()
    assert await drained(WorkQueue(mailbox, rows.read, lambda: LIMIT), rows) == list(range(1, 2 * LIMIT + 2))
    assert rows.readings == 3
    assert not mailbox.behind


async def test_a_first_page_that_was_read_already_is_not_read_again() -> None:
    rows, mailbox = Rows(list(range(1, FIRST_PAGE + 3))), Mailbox()
    mailbox.mark_fresh()
    queue = WorkQueue(mailbox, rows.read, lambda: LIMIT, page=[work(seq) for seq in rows.pending[:FIRST_PAGE]])
    assert await drained(queue, rows) == list(range(1, FIRST_PAGE + 3))
    assert rows.readings == 1


def test_few_queues_read_long_pages_and_many_hold_little_in_all() -> None:
    assert page_size(0) == page_size(1) == page_size(32) == 128
    assert page_size(64) == 64
    assert all(page_size(queues) * queues <= 4_096 for queues in range(32, 257))
    assert page_size(100_000) == FIRST_PAGE


async def test_hints_spare_the_reading() -> None:
    rows, mailbox = Rows(), Mailbox()
    queue = WorkQueue(mailbox, rows.read, lambda: LIMIT)
    assert await queue.next() is None
    rows.pending = [1, 2]
    mailbox.offer(work(1))
    mailbox.offer(work(2))
    assert await drained(queue, rows) == [1, 2]
    assert rows.readings == 1


async def test_what_is_read_and_hinted_comes_once() -> None:
    rows, mailbox = Rows([1, 2], reading=trio.Event()), Mailbox()
    queue, taken = WorkQueue(mailbox, rows.read, lambda: LIMIT), list[int]()

    async def drain() -> None:
        taken.extend(await drained(queue, rows))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        await trio.testing.wait_all_tasks_blocked()
        mailbox.offer(work(2))
        mailbox.offer(work(3))
        rows.pending.append(3)
        assert rows.reading is not None
        rows.reading.set()
    assert taken == [1, 2, 3]


async def test_a_delivery_that_becomes_known_behind_a_younger_ones_hint_is_not_lost() -> None:
    rows, mailbox = Rows(), Mailbox()
    queue = WorkQueue(mailbox, rows.read, lambda: LIMIT)
    assert await queue.next() is None
    rows.pending = [10, 11]  # 10 was resent: nobody hints at it
    mailbox.offer(work(11))
    first = await queue.next()
    assert first == work(11)
    rows.pending.remove(11)
    mailbox.mark_stale()
    assert await drained(queue, rows) == [10]


async def test_what_was_read_ahead_is_forgotten_also_while_it_is_being_read() -> None:
    rows, mailbox = Rows([1, 2, 3], reading=trio.Event()), Mailbox()
    queue, taken = WorkQueue(mailbox, rows.read, lambda: LIMIT), list[int]()

    async def drain() -> None:
        taken.extend(await drained(queue, rows))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        await trio.testing.wait_all_tasks_blocked()
        rows.pending = [3]  # 1 and 2 are cancelled
        queue.clear()
        assert rows.reading is not None
        rows.reading.set()
    assert taken == [3]


async def test_forgetting_drops_page_and_hints() -> None:
    rows, mailbox = Rows([1, 2, 3]), Mailbox()
    queue = WorkQueue(mailbox, rows.read, lambda: LIMIT)
    assert await queue.next() == work(1)
    mailbox.offer(work(4))
    rows.pending = []
    queue.clear()
    assert await queue.next() is None


@given(st.lists(st.sampled_from(["hint", "silent", "overflow", "forget", "take"]), max_size=60))
def test_whatever_the_ways_every_pending_delivery_comes_out_once(steps: list[str]) -> None:
    trio.run(_whatever_the_ways, steps)


async def _whatever_the_ways(steps: list[str]) -> None:
    rows, mailbox = Rows(), Mailbox()
    queue, taken, seq = WorkQueue(mailbox, rows.read, lambda: LIMIT), list[int](), 0
    for step in steps:
        if step == "take":
            if (one := await queue.next()) is not None:
                rows.pending.remove(one.seq)
                taken.append(one.seq)
            continue
        for _ in range(CAPACITY + 3 if step == "overflow" else 1):
            seq += 1
            insort(rows.pending, seq)
            if step in ("hint", "overflow"):
                mailbox.offer(work(seq))
        if step == "silent":
            mailbox.mark_stale()
        if step == "forget":
            queue.clear()
    taken += await drained(queue, rows)
    assert taken == list(range(1, seq + 1))
