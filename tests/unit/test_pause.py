"""A wait that somebody else may end, in virtual time."""

import trio
from trio.testing import MockClock

from daemon.actors.interruptible_wait import Pause


async def waited(pause: Pause, seconds: float) -> tuple[bool, float]:
    before = trio.current_time()
    came_to_its_end = await pause.wait(seconds)
    return came_to_its_end, trio.current_time() - before


async def test_a_wait_ends_after_its_time(autojump_clock: MockClock) -> None:
    assert await waited(Pause(), 5) == (False, 5)


async def test_no_time_is_no_wait(autojump_clock: MockClock) -> None:
    assert await waited(Pause(), 0) == (False, 0)
    assert await waited(Pause(), -1) == (False, 0)


async def test_a_wait_ends_with_what_is_waited_for(autojump_clock: MockClock) -> None:
    async def two_seconds() -> None:
        await trio.sleep(2)

    before = trio.current_time()
    assert await Pause().wait(5, two_seconds)
    assert trio.current_time() - before == 2


async def test_somebody_else_ends_the_wait_under_way_and_no_other(autojump_clock: MockClock) -> None:
    pause = Pause()
    pause.end()
    async with trio.open_nursery() as nursery:

        async def end_after_1_s() -> None:
            await trio.sleep(1)
            pause.end()

        nursery.start_soon(end_after_1_s)
        assert await waited(pause, 5) == (False, 1)
    assert await waited(pause, 5) == (False, 5)


async def test_closing_ends_this_wait_and_all_later_ones(autojump_clock: MockClock) -> None:
    pause = Pause()
    async with trio.open_nursery() as nursery:

        async def close_after_1_s() -> None:
            await trio.sleep(1)
            pause.close()

        nursery.start_soon(close_after_1_s)
        assert await waited(pause, 5) == (False, 1)
    assert await waited(pause, 5) == (False, 0)
    assert pause.closed


async def test_a_wait_that_is_cancelled_from_outside_is_cancelled(autojump_clock: MockClock) -> None:
    pause = Pause()
    with trio.move_on_after(1) as scope:
        await pause.wait(5)
    assert scope.cancelled_caught
    assert await waited(pause, 2) == (False, 2)
