"""The mutex: one at a time, in order, and free of the event loop while nobody else wants it."""

import trio
import trio.testing

from daemon.actors.mutex import Mutex


async def hold(mutex: Mutex, name: str, held: list[str], until: trio.Event) -> None:
    async with mutex:
        held.append(name)
        await until.wait()
        held.append(f"{name} ends")


async def test_one_holds_it_at_a_time_and_who_waits_is_served_in_order(nursery: trio.Nursery) -> None:
    mutex, held, end = Mutex(), list[str](), trio.Event()
    for name in ("first", "second", "third"):
        nursery.start_soon(hold, mutex, name, held, end)
        await trio.testing.wait_all_tasks_blocked()
    assert held == ["first"]
    end.set()
    await trio.testing.wait_all_tasks_blocked()
    assert held == ["first", "first ends", "second", "second ends", "third", "third ends"]


async def test_nobody_gets_in_between_its_release_and_who_waits_first(nursery: trio.Nursery) -> None:
    mutex, held, end = Mutex(), list[str](), trio.Event()
    end.set()
    async with mutex:
        nursery.start_soon(hold, mutex, "waited", held, end)
        await trio.testing.wait_all_tasks_blocked()
    async with mutex:  # at once, without a turn of the event loop in between
        assert held == ["waited", "waited ends"]


async def test_a_cancelled_wait_takes_nothing(nursery: trio.Nursery) -> None:
    mutex, held, end = Mutex(), list[str](), trio.Event()
    end.set()
    async with mutex:
        with trio.move_on_after(0) as scope:
            async with mutex:
                held.append("never")
        assert scope.cancelled_caught
        nursery.start_soon(hold, mutex, "next", held, end)
        await trio.testing.wait_all_tasks_blocked()
        assert held == []
    await trio.testing.wait_all_tasks_blocked()
    assert held == ["next", "next ends"]


async def test_an_error_within_sets_it_free() -> None:
    mutex = Mutex()
    for _ in range(2):
        try:
            async with mutex:
                raise ValueError
        except ValueError:
            continue
    async with mutex:
        pass


async def test_while_it_is_free_it_takes_no_turn_of_the_event_loop() -> None:
    mutex = Mutex()
    with trio.testing.assert_no_checkpoints():
        async with mutex:
            pass
