"""A slot for one answer: what a request carries to the actor that will answer it."""

from typing import Generic, TypeVar

import trio

Answer = TypeVar("Answer")


class Reply(Generic[Answer]):
    """Settled once, with a value or an error; awaited by one caller, who may go away."""

    __slots__ = ("_answer", "_waiting", "is_settled")

    _answer: Answer | Exception

    def __init__(self) -> None:
        self.is_settled = False
        self._waiting: trio.lowlevel.ParkingLot | None = None  # most replies are settled before anybody waits

    def settle(self, answer: Answer | Exception) -> None:
        """Give the answer, or the error that the caller should get. Only the first one counts."""
        if self.is_settled:
            return
        self._answer = answer
        self.is_settled = True
        if self._waiting is not None:
            self._waiting.unpark_all()

    def wake(self, waiting: trio.lowlevel.ParkingLot) -> None:
        """Have all that park there woken once there is an answer; to be called before anybody waits in another way."""
        self._waiting = waiting
        if self.is_settled:
            waiting.unpark_all()

    async def wait(self) -> Answer:
        """Wait for the answer and return it, or raise the error."""
        if not self.is_settled:
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
        while not self.is_settled:
            if self._waiting is None:
                self._waiting = trio.lowlevel.ParkingLot()
            await self._waiting.park()
