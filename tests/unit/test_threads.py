"""Work in threads: at most so many at once, one after the other, to its end whoever is cancelled."""

from threading import Event, get_ident

import pytest
import trio
import trio.testing

from daemon.actors.threads import thread_runner


async def test_work_runs_in_another_thread_and_its_result_comes_back() -> None:
    assert await thread_runner(1)(get_ident) != get_ident()


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await thread_runner(1)(lambda: 1 // 0)


async def test_no_more_runs_at_once_than_there_are_threads_and_each_gets_its_turn() -> None:
    run, go_on, began, one_began = thread_runner(2), Event(), list[int](), trio.Semaphore(0)
    loop = trio.lowlevel.current_trio_token()

    async def work(number: int) -> None:
        def note() -> None:
            began.append(number)
            loop.run_sync_soon(one_began.release)
            go_on.wait(10)

        await run(note)

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(work, number)
            await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            await one_began.acquire()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(began) == [0, 1]
        go_on.set()
    assert sorted(began) == list(range(6))


async def test_who_is_cancelled_before_the_work_began_runs_nothing() -> None:
    run, go_on, done = thread_runner(1), Event(), list[int]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, lambda: go_on.wait(10))
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0):
            await run(lambda: done.append(1))
        go_on.set()
    with trio.move_on_after(0):
        await run(lambda: done.append(2))
    assert done == []
    assert await run(lambda: "free") == "free"


async def test_work_that_has_begun_goes_on_to_its_end_and_whoever_is_cancelled_waits_for_it() -> None:
    run, began, go_on, results = thread_runner(1), trio.Event(), Event(), list[str]()
    loop = trio.lowlevel.current_trio_token()

    def work() -> str:
        loop.run_sync_soon(began.set)
        go_on.wait(10)
        return "done"

    async def wait() -> None:
        results.append(await run(work))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await began.wait()
            nursery.cancel_scope.cancel()
            loop.run_sync_soon(go_on.set)
    assert results == ["done"]
