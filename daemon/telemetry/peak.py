"""The largest value of something in the last five minutes."""

import time
from collections.abc import Callable

_MINUTES = 5


class Peak:
    """Keeps the largest value of each minute, and forgets what is older than five. Any thread may observe."""

    __slots__ = ("_largest", "_now")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._largest: dict[int, float] = {}

    def observe(self, value: float) -> None:
        """Record a value, at least 0."""
        minute = int(self._now() // 60)
        if value > self._largest.get(minute, 0):
            self._largest = {one: most for one, most in self._largest.items() if one > minute - _MINUTES}
            self._largest[minute] = value

    def read(self) -> float:
        """Return the largest value, 0 without one."""
        minute = int(self._now() // 60)
        return max((most for one, most in self._largest.items() if one > minute - _MINUTES), default=0)
