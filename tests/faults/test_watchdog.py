"""The watchdog of a real process: a store with a long command is alive, one that hangs is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.process import make_installation

WATCHDOG_S, STALL_S = 0.6, 3


@pytest.mark.fault(
    "A command of the store takes five times the watchdog's time, or hangs for as long",
    "One that works is left alone: its progress feeds the watchdog. One that hangs does not feed it",
)
@pytest.mark.parametrize("way", ["works", "hangs"])
@ends_within(60)
async def test_progress_within_a_command_feeds_the_watchdog_but_a_hang_does_not(way: str, tmp_path: Path) -> None:
    installation = make_installation(tmp_path)
    stalling = replace(installation, program=("tests.faults.stalling", way, str(STALL_S)))
    async with operated(stalling, environment={"WATCHDOG_USEC": str(int(WATCHDOG_S * 1_000_000))}) as operator:
        await operator.daemon.noticed("WATCHDOG=1")
        before = operator.daemon.notices.count("WATCHDOG=1")
        await operator.make_team()
        beats = operator.daemon.notices.count("WATCHDOG=1") - before
    installation.close()
    least = STALL_S / WATCHDOG_S  # one in each of its times at the least, or the manager would have killed it
    assert beats >= least if way == "works" else beats <= 2
