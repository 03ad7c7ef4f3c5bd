"""How often something happened in the last minute."""

from math import floor

import trio

WINDOW_S = 60


class SlidingCount:
    """Counts by the second, and forgets what is older than a minute. Counting costs two additions."""

    __slots__ = ("_counts", "_second", "_total")

    def __init__(self) -> None:
        self._counts = [0] * WINDOW_S
        self._second = 0
        self._total = 0

    def count(self, number: int = 1) -> None:
        """Count this many now."""
        self._drop_old()
        self._counts[self._second % WINDOW_S] += number
        self._total += number

    @property
    def last_minute(self) -> int:
        """How many were counted in the last 60 seconds, to the second."""
        self._drop_old()
        return self._total

    def _drop_old(self) -> None:
        now = floor(trio.current_time())
        if now == self._second:
            return
        for second in range(max(self._second, now - WINDOW_S) + 1, now + 1):
            self._total -= self._counts[second % WINDOW_S]
            self._counts[second % WINDOW_S] = 0
        self._second = now
