"""A slot for one answer: what a request carries to the actor that will answer it."""

from typing import Generic, TypeVar

import outcome
import trio

Answer = TypeVar("Answer")


class Reply(Generic[Answer]):
    """Settled once, with a value or an error; awaited by one caller, who may go away."""

    __slots__ = ("_event", "_outcome")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._outcome: outcome.Value[Answer] | outcome.Error | None = None

    def settle(self, answer: Answer | Exception) -> None:
        """Give the answer, or the error that the caller shall see. Only the first one counts."""
        if self._outcome is None:
            self._outcome = outcome.Error(answer) if isinstance(answer, Exception) else outcome.Value(answer)
            self._event.set()

    async def wait(self) -> Answer:
        """Wait for the answer and return it, or raise the error."""
        if self._outcome is None:
            await self._event.wait()
        assert self._outcome is not None
        return self._outcome.unwrap()

    async def settled(self) -> None:
        """Wait until there is an answer, and leave it to the caller whose it is."""
        if self._outcome is None:
            await self._event.wait()
