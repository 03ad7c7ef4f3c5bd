"""A slot for one answer: what a request carries to the actor that will answer it."""

from typing import Generic, TypeVar

import trio

Answer = TypeVar("Answer")


class Reply(Generic[Answer]):
    """Settled once, with a value or an error; awaited by one caller, who may go away."""

    __slots__ = ("_answer", "_event")

    _answer: Answer | Exception

    def __init__(self) -> None:
        self._event = trio.Event()

    def settle(self, answer: Answer | Exception) -> None:
        """Give the answer, or the error that the caller should get. Only the first one counts."""
        if not self._event.is_set():
            self._answer = answer
            self._event.set()

    async def wait(self) -> Answer:
        """Wait for the answer and return it, or raise the error."""
        await self.settled()
        answer = self._answer
        if isinstance(answer, Exception):
            try:
                raise answer
            finally:
                del answer  # its traceback holds this frame: the cycle would last until the next collection
        return answer

    async def settled(self) -> None:
        """Wait until there is an answer, without taking it."""
        if not self._event.is_set():
            await self._event.wait()
