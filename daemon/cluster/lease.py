"""How long a node may still begin attempts, by its own clock."""

import time
from collections.abc import Callable

import trio

# The server's lease is 3 s: what is left is for the time that a renewal takes, and for clocks that differ.
OWN_LEASE_S = 2.6


def boot_time() -> float:
    """Return the seconds since the machine started, those asleep included: a frozen node must notice that it was."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """Ends `OWN_LEASE_S` after the last renewal was sent: beyond that another node may have taken over.

    `now` is its clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = boot_time) -> None:
        self.now = now
        self._until = float("-inf")
        self._extended = trio.lowlevel.ParkingLot()

    @property
    def valid(self) -> bool:
        """Whether an attempt may begin now."""
        return self.now() < self._until

    def extend(self, sent_at: float) -> None:
        """Take note of a renewal that was sent at this time, and granted."""
        self._until = sent_at + OWN_LEASE_S
        self._extended.unpark_all()

    def end(self) -> None:
        """Let nothing begin until the next renewal."""
        self._until = float("-inf")

    async def wait_until_valid(self) -> None:
        """Wait until attempts may begin."""
        while not self.valid:
            await self._extended.park()
