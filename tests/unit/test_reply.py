"""One answer for one caller."""

import pytest
import trio
import trio.testing

from daemon.actors.reply import Reply


async def test_an_answer_reaches_who_waits() -> None:
    reply, answers = Reply[int](), list[int]()

    async def wait() -> None:
        answers.append(await reply.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        reply.settle(7)
    assert answers == [7]


async def test_an_answer_given_before_anybody_waits_is_kept() -> None:
    reply = Reply[None]()
    reply.settle(None)
    with trio.fail_after(1):
        await reply.wait()


async def test_an_error_is_raised() -> None:
    reply = Reply[int]()
    reply.settle(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await reply.wait()


async def test_only_the_first_answer_counts() -> None:
    reply = Reply[int]()
    reply.settle(1)
    reply.settle(ValueError("late"))
    assert await reply.wait() == 1


async def test_who_goes_away_does_not_keep_the_answer_from_being_given() -> None:
    reply = Reply[int]()
    with trio.move_on_after(0.01):
        await reply.wait()
    reply.settle(1)
    assert await reply.wait() == 1


async def test_who_only_waits_for_the_answer_leaves_it_to_the_caller() -> None:
    reply: Reply[int] = Reply()
    reply.settle(7)
    await reply.settled()
    assert await reply.wait() == 7
