"""A delivery's row that no version of ours writes: its webhook waits, and the operator is told."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.actors.receivers import A, B, hang
from tests.support.daemon import FakeReceiver, RunningDaemon, VirtualWallClock, running


def write(daemon: RunningDaemon, created_at: str) -> None:
    with daemon.database.writing.begin() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET created_at = {created_at} WHERE seq = 2")


@pytest.mark.fault(
    "The row of a pending delivery holds what no version of ours writes",
    "Its webhook waits, and goes on in order once it is repaired; the others do not notice; the log names the row",
)
async def test_a_damaged_pending_delivery_holds_up_only_its_webhook(tmp_path: Path, autojump_clock: MockClock) -> None:
    clock = VirtualWallClock()
    async with running(tmp_path, FakeReceiver({A: hang}), clock) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A, "linkedin.message.sent")
        await daemon.webhook(team, B, "linkedin.message.received")
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(1)
        write(daemon, "'noon'")
    async with running(tmp_path, clock=clock) as daemon:
        await daemon.submit(team, 4, event="linkedin.message.received")
        await trio.sleep(600)
        assert [(arrival.url, arrival.number) for arrival in daemon.receiver.arrivals] == [(B, 4)]
        assert {line["error"] for line in daemon.log_lines("store_unavailable")} == {
            "table deliveries, row 2: it cannot be sent: run doctor, and restore a backup"
        }
        write(daemon, "0")
        await trio.sleep(10)
        assert [arrival.number for arrival in daemon.receiver.at(A)] == [1, 2, 3]
