"""The one thread seam: how blocking work leaves the event loop. Tests inject `run_inline`."""

from collections.abc import Callable
from typing import Protocol, TypeVar

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
    limiter = trio.CapacityLimiter(threads)

    async def run_in_thread(work: Callable[[], Result], /) -> Result:
        return await trio.to_thread.run_sync(work, limiter=limiter)

    return run_in_thread


async def run_inline(work: Callable[[], Result], /) -> Result:
    """Run `work` right here, blocking the loop: for virtual time, whose clock would mistake a thread for idleness."""
    await trio.lowlevel.checkpoint()
    return work()
