"""What a node says of itself to the others."""

import msgspec
import trio
from trio.testing import MockClock

from daemon.management.node_report import MOST_PARKED, Reporter


async def test_it_tells_the_pace_of_the_last_minute_and_the_first_parked_webhooks(autojump_clock: MockClock) -> None:
    report = Reporter(lambda: 2_490, lambda: [f"wh_{number}" for number in range(1_000)])
    told = msgspec.json.decode(report.as_json())
    assert told["pace"] == 41.5
    assert told["parked"] == [f"wh_{number}" for number in range(MOST_PARKED)]


async def test_it_changes_every_ten_seconds_at_most_whatever_happens(autojump_clock: MockClock) -> None:
    accepted = iter(range(60, 60_000, 60))
    report = Reporter(lambda: next(accepted), list)
    told = set()
    for _ in range(100):
        told.add(report.as_json())
        await trio.sleep(0.6)
    assert len(told) == 6
