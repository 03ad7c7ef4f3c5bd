"""The one clock seam: wall-clock milliseconds for what is stored, Trio's time for every wait."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from daemon.domain.ids import ids_maker

NowMs = Callable[[], int]
Chance = Callable[[], float]

MINUTE_MS = 60 * 1000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day, and ids that begin with it: `new_ids("evt", 500)`, many at a tenth of the cost of one by one.

    `chance` returns a number from 0 to 1, for jitter.
    """

    now_ms: NowMs
    new_ids: Callable[[str, int], list[str]]
    chance: Chance = random.random

    def new_id(self, prefix: str) -> str:
        """Return one id."""
        return self.new_ids(prefix, 1)[0]


def clock_of(now_ms: NowMs, chance: Chance = random.random) -> Clock:
    """Return a clock that uses `now_ms`, and this source of chance."""
    return Clock(now_ms, ids_maker(now_ms), chance)


def rfc_3339(time_ms: int) -> str:
    """Return a time as the API writes it: `2025-07-15T10:30:00.000Z`."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall_clock_ms() -> int:
    """Milliseconds since the Unix epoch, UTC. It may jump: store it, show it, never wait by it."""
    return time.time_ns() // 1_000_000
