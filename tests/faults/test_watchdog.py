"""The watchdog of a real process: a store that works for long is alive, one that hangs is not."""

from pathlib import Path

import pytest

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.process import Installation, make_installation

WATCHDOG_S, STALL_S = 1, 5


class StallingInstallation(Installation):
    """Its daemon is slow with its first new team."""

    way = "works"

    @property
    def command(self) -> list[str]:
        python, option, _module, *arguments = super().command
        return [python, option, "tests.faults.stalling", self.way, str(STALL_S), *arguments]


class HangingInstallation(StallingInstallation):
    """Its store hangs meanwhile."""

    way = "hangs"


@pytest.mark.fault(
    "A command of the store takes five times the watchdog's time, or hangs for as long",
    "One that works is left alone: its progress feeds the watchdog. One that hangs does not feed it",
)
@pytest.mark.parametrize("kind", [StallingInstallation, HangingInstallation])
@ends_within(60)
async def test_progress_within_a_command_feeds_the_watchdog_and_hanging_does_not(
    kind: type[StallingInstallation], tmp_path: Path
) -> None:
    installation = make_installation(tmp_path)
    stalling = kind(installation.state_dir, installation.config, installation.bind, installation.reserved)
    async with operated(stalling, environment={"WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}) as operator:
        await operator.daemon.noticed("WATCHDOG=1")
        before = operator.daemon.notices.count("WATCHDOG=1")
        await operator.make_team()
        beats = operator.daemon.notices.count("WATCHDOG=1") - before
    installation.close()
    least = STALL_S / WATCHDOG_S  # one each second at the least, or the manager would have killed it
    assert beats >= least if kind is StallingInstallation else beats <= 2
