"""The wall clock: whether it agrees with the times in the database, and whether a time service sets it."""

import os
import subprocess
from collections.abc import Iterator

from daemon.doctor.finding import Finding, failed, ok, skipped, warning
from daemon.domain.clock import HOUR_MS, NowMs

_FIRST_RELEASE_MS = 1_735_689_600_000  # 2025: no version is older
_TIMEOUT_S = 5


def check_clock(newest: int | None, now_ms: NowMs) -> Iterator[Finding]:
    """Whether the wall clock can be right: not behind the newest event (ms), nor older than the first release."""
    now = now_ms()
    advice = "Set the clock, and let a time service keep it: signatures carry its time, and receivers check it."
    if now < _FIRST_RELEASE_MS or (newest is not None and now < newest - HOUR_MS):
        yield failed("clock", "the clock is behind the times in the database, or years behind", advice)
    else:
        yield ok("clock", "the clock is not behind the times in the database")


def check_time_service() -> Iterator[Finding]:
    """Whether a time service keeps the clock, as far as systemd knows."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        finding = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env={**os.environ, "LC_ALL": "C"}
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        finding = ""
    if finding == "yes":
        yield ok("time service", "the clock is kept by a time service")
    elif finding == "no":
        advice = "Enable one (Debian: apt install systemd-timesyncd): receivers refuse what is minutes off."
        yield warning("time service", "no time service keeps the clock", advice)
    else:
        yield skipped("time service", "whether a time service keeps the clock is unknown here")
