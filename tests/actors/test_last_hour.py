"""What a process remembers of its last hour: each minute as it was, and no more than sixty."""

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from daemon.domain.errors import StoreUnavailable
from daemon.maintenance import last_hour
from daemon.maintenance.last_hour import MINUTES
from daemon.store.reads.backlog import Backlog
from tests.support.daemon import FakeReceiver, RunningDaemon, running, statuses

URL = "https://crm.example.com/hook"


async def a_webhook(daemon: RunningDaemon) -> Any:
    team = await daemon.team()
    await daemon.webhook(team, URL)
    return team


async def test_a_minute_has_what_was_done_in_it_and_what_waited_at_its_end(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = FakeReceiver({URL: statuses(200)})
    async with running(tmp_path, receiver) as daemon:
        team = await a_webhook(daemon)
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(61)
        receiver.answers[URL] = statuses(503)
        await trio.sleep(55)
        await daemon.submit(team, 4, 5)
        await trio.sleep(65)
        first, second, third = daemon.parts.last_hour.minutes
    assert (first.accepted, first.ended, first.backlog, first.oldest_ms) == (3, 3, 0, 0)
    assert first.attempt_p50_ms is not None
    assert first.commit_p95_ms is not None
    assert (second.accepted, second.ended, second.backlog) == (2, 0, 2)
    assert 3_000 <= (second.oldest_ms or 0) <= 5_000
    assert (third.accepted, third.ended, third.backlog) == (0, 2, 0)
    assert [later.at - earlier.at for earlier, later in ((first, second), (second, third))] == [60_000, 60_000]


async def test_a_minute_in_which_nothing_was_done_has_no_durations_and_the_oldest_is_forgotten(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({})) as daemon:
        await trio.sleep(60 * (MINUTES + 5) + 1)
        minutes = daemon.parts.last_hour.minutes
        now = daemon.clock()
    assert len(minutes) == MINUTES
    assert 0 <= now - minutes[-1].at < 60_000
    assert {(minute.attempt_p50_ms, minute.attempt_p95_ms) for minute in minutes} == {(None, None)}


@pytest.mark.parametrize("is_away", [True, False])
async def test_while_the_database_is_away_the_backlog_is_unknown_and_the_rest_goes_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, is_away: bool
) -> None:
    async def count(*_: object, **__: object) -> Backlog:
        if is_away:
            raise StoreUnavailable("the database is away")
        return Backlog(100_000, True)

    monkeypatch.setattr(last_hour, "count_backlog", count)
    async with running(tmp_path, FakeReceiver({})) as daemon:
        await trio.sleep(61)
        [minute] = daemon.parts.last_hour.minutes
    known = (minute.backlog, minute.backlog_is_more, minute.oldest_ms)
    assert known == ((None, False, None) if is_away else (100_000, True, 0))
