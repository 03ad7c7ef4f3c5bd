"""The one clock seam: wall-clock milliseconds for what is stored, Trio's time for every wait."""

import time
from collections.abc import Callable

NowMs = Callable[[], int]

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


def wall_clock_ms() -> int:
    """Milliseconds since the Unix epoch, UTC. It may jump: store it, show it, never wait by it."""
    return time.time_ns() // 1_000_000
