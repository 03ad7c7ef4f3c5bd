"""Trio under the control of a synchronous test: it runs, in virtual time, only while a step is requested.

with Guest() as guest:
    value = guest.run(async_function, argument)
"""

import queue
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import outcome
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

Result = TypeVar("Result")
_PATIENCE_S = 60  # of real time, for one turn of the loop


class Guest:
    """One run of Trio. Time passes in `sleep` only; every other step ends at the moment at which it began."""

    def __init__(self) -> None:
        self._turns: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._ended: outcome.Outcome[None] | None = None
        self._clock = MockClock()
        self._send, self._receive = trio.open_memory_channel[Callable[[], Awaitable[None]]](1)

    def __enter__(self) -> Self:
        trio.lowlevel.start_guest_run(
            self._serve,
            run_sync_soon_threadsafe=self._turns.put,
            done_callback=self._end,
            clock=self._clock,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._ended is None:
            self._turns.put(self._send.close)
            self._turn_until(lambda: self._ended is not None)

    def run(self, step: Callable[..., Awaitable[Result]], *args: Any) -> Result:
        """Run a step and all that follows from it at this moment; return its result or raise its error."""
        answers: list[outcome.Outcome[Result]] = []

        async def take() -> None:
            answer = await outcome.acapture(step, *args)
            await wait_all_tasks_blocked()
            answers.append(answer)

        self._turns.put(lambda: self._send.send_nowait(take))
        self._turn_until(lambda: bool(answers) or self._ended is not None)
        if self._ended is not None:
            self._ended.unwrap()
        return answers[0].unwrap()

    def begin(self, step: Callable[..., Awaitable[Result]], *args: Any) -> list[outcome.Outcome[Result]]:
        """Run a step that may take until a later one; what it returns or raises comes into the list that is given."""
        answers: list[outcome.Outcome[Result]] = []

        async def take() -> None:
            answers.append(await outcome.acapture(step, *args))

        async def start() -> None:
            await trio.lowlevel.checkpoint()
            self._begun.start_soon(take)

        self.run(start)
        return answers

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.run(self._sleep, seconds)

    async def _sleep(self, seconds: float) -> None:
        self._clock.autojump_threshold = 0
        await trio.sleep(seconds)
        self._clock.autojump_threshold = float("inf")

    async def _serve(self) -> None:
        async with trio.open_nursery() as self._begun:
            async for step in self._receive:
                await step()
            self._begun.cancel_scope.cancel()

    def _end(self, ended: outcome.Outcome[None]) -> None:
        self._ended = ended

    def _turn_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._turns.get(timeout=_PATIENCE_S)()
