"""The successes of one webhook that are on their way to disk (architecture "One busy webhook")."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import trio

from daemon.delivery.outcome_recorder import Recording

# A kill repeats at most so many deliveries of a webhook.
MOST_OPEN = 4
# How many seconds an outcome may wait for a commit that it can share, while its webhook has nothing else to send: with
# 50 events in a second each costs one commit instead of two.
OPEN_S = 0.02


class OpenOutcomes:
    """Ends what was begun, in order, in a task of its own. What crashes it leaves the rest open, for good.

    `hurry` has the commits made at once: whoever waits for them here calls it.
    """

    __slots__ = ("_answered", "_ended", "_hurry", "_open")

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self._open: deque[Recording] = deque()
        self._answered = trio.lowlevel.ParkingLot()
        self._ended = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def recordings(self) -> Iterable[Recording]:
        """Those that are open, the oldest first."""
        return self._open

    def add(self, recording: Recording) -> None:
        """Take over what was begun to be recorded, just now."""
        recording.reply.wake(self._answered)
        self._open.append(recording)

    async def run(self, finish: Callable[[Recording], Awaitable[None]]) -> None:
        """Finish each, in order, until cancelled."""
        while True:
            # Once for all that one commit answers: to wake up costs more than the rest.
            while not (self._open and self._open[0].reply.is_settled):
                await self._answered.park()
            await finish(self._open[0])
            self._open.popleft()
            self._ended.unpark_all()

    def hurry(self) -> None:
        """Have them committed at once."""
        if self._open:
            self._hurry()

    async def below_limit(self) -> None:
        """Wait until one more may be open."""
        while len(self._open) >= MOST_OPEN:
            await self._ended.park()

    async def soon_below_limit(self) -> None:
        """Have so many committed that one more may be open."""
        if len(self._open) >= MOST_OPEN:
            self.hurry()
            await self.below_limit()

    async def all_committed(self) -> None:
        """Wait until none is open."""
        self.hurry()
        while self._open:
            await self._ended.park()
