"""The mailbox blocks nobody and loses nothing that it was told (architecture "How an event flows", 3)."""

import pytest
import trio
import trio.testing

from daemon.delivery.mailbox import CAPACITY, Change, Mailbox
from daemon.domain.changes import Delete
from daemon.domain.model import Work


def work(seq: int) -> Work:
    return Work(seq, f"dlv_{seq}", "evt_1", "a.b", b"{}", created_at=0)


@pytest.fixture
def mailbox() -> Mailbox:
    fresh = Mailbox()
    fresh.mark_fresh()
    return fresh


def test_a_fresh_mailbox_is_behind_so_that_its_actor_reads_the_database_first() -> None:
    assert Mailbox().behind
    assert not Mailbox().empty


def test_hints_wait_in_order(mailbox: Mailbox) -> None:
    for seq in (1, 2, 3):
        mailbox.offer(work(seq))
    assert [one.seq for one in mailbox.hints] == [1, 2, 3]


def test_a_full_mailbox_drops_all_its_hints_and_is_behind(mailbox: Mailbox) -> None:
    for seq in range(CAPACITY):
        mailbox.offer(work(seq))
    assert not mailbox.behind
    mailbox.offer(work(CAPACITY))
    assert mailbox.behind
    assert not mailbox.hints


def test_a_mailbox_that_is_behind_takes_no_hints(mailbox: Mailbox) -> None:
    mailbox.mark_stale()
    mailbox.offer(work(1))
    assert not mailbox.hints


async def test_who_waits_for_work_wakes_for_a_hint_and_for_falling_behind(mailbox: Mailbox) -> None:
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.wait_for_work)
            await trio.testing.wait_all_tasks_blocked()
            mailbox.offer(work(1))
        mailbox.hints.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.wait_for_work)
            await trio.testing.wait_all_tasks_blocked()
            mailbox.mark_stale()


async def test_work_that_is_there_already_is_not_waited_for(mailbox: Mailbox) -> None:
    mailbox.offer(work(1))
    with trio.fail_after(1):
        await mailbox.wait_for_work()


async def test_changes_wait_in_order_and_wake_only_who_waits_for_changes(mailbox: Mailbox) -> None:
    changes = [Change(Delete(now)) for now in range(3)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.wait_for_change)
        await trio.testing.wait_all_tasks_blocked()
        for change in changes:
            mailbox.request_change(change)
        with trio.move_on_after(0.01) as waiting_for_work:
            await mailbox.wait_for_work()
    assert list(mailbox.changes) == changes
    assert waiting_for_work.cancelled_caught
    assert not mailbox.empty
