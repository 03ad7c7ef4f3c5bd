"""The one thread seam: how blocking work leaves the event loop. Tests inject `run_inline`."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import trio

Result = TypeVar("Result")


class RunInThread(Protocol):
    """Runs a blocking function and returns what it returns.

    Cancelled before the function began, nothing ran; cancelled later, the function still runs to its end.
    """

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        """Run `work`."""
        ...


def thread_runner(threads: int) -> RunInThread:
    """Return what runs work in worker threads, at most `threads` at once."""
    free = trio.Semaphore(threads)

    async def run_in_thread(work: Callable[[], Result], /) -> Result:
        await _take(free)
        try:
            return await _run_in_thread(work)
        finally:
            free.release()

    return run_in_thread


async def _take(free: trio.Semaphore) -> None:
    if free.value:  # a turn of the loop would cost as much as the way to the thread
        await trio.lowlevel.checkpoint_if_cancelled()
        free.acquire_nowait()
    else:
        await free.acquire()


async def _run_in_thread(work: Callable[[], Result]) -> Result:
    """Do what `trio.to_thread.run_sync` does, without what nothing here uses: names, contexts, the way back from it.

    These are half of what a hand-over costs. A cancellation waits for the end: the work cannot be interrupted.
    """
    task, loop = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

    def deliver(result: Any) -> None:
        with suppress(trio.RunFinishedError):
            loop.run_sync_soon(trio.lowlevel.reschedule, task, result)

    trio.lowlevel.start_thread_soon(work, deliver)
    result: Result = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
    return result


async def run_inline(work: Callable[[], Result], /) -> Result:
    """Run `work` right here, blocking the loop: for virtual time, whose clock would mistake a thread for idleness."""
    await trio.lowlevel.checkpoint()
    return work()
