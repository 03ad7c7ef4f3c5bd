"""`[retention]`: old, ended events are deleted bit by bit, and their space is given back."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.threads import run_inline
from daemon.domain.clock import DAY_MS, NowMs, clock_of
from daemon.domain.model import Work
from daemon.maintenance.cleaner import INTERVAL_S, Cleaner
from daemon.store.aside_commands import SetAside
from daemon.store.commands import Resend
from daemon.store.reads import time_blocks
from daemon.store.reads.reader import Reader
from daemon.store.sqlite.database import Database, open_database
from daemon.store.store import Store
from daemon.store.upkeep_commands import (
    Pruned,
    PruneEvents,
    PruneMails,
    ReleaseSpace,
    SaveTrustedTime,
)
from daemon.store.writes import retention
from daemon.store.writes.writer import Writer
from daemon.telemetry.metrics import make_metrics
from tests.store.filling import NOW, AnyDatabase, accepting, count, found, recording, run
from tests.store.test_pages import make_blocks
from tests.support.telemetry import make_telemetry

OLD = NOW - 31 * DAY_MS
LIMIT = NOW - 30 * DAY_MS


def delivered(database: AnyDatabase, number: int, at: int, *, over: bool = True) -> Work:
    """Accept an event at this time; deliver it, if it is to be ended."""
    work: Work
    [(_, work)] = run(database, accepting(number, "wh_1", at=at)).work
    if over:
        run(database, recording(work, 1))
    return work


def forget(database: AnyDatabase, limit: int = 100) -> Pruned:
    """Delete what is old until nothing is left to look at."""
    events = deliveries = 0
    after: int | None = 0
    while after is not None:
        step = run(database, PruneEvents(LIMIT, after, limit))
        events, deliveries, after = events + step.events, deliveries + step.deliveries, step.next_after_seq
    return Pruned(events, deliveries, None)


def checkpoint(database: AnyDatabase) -> None:
    """Have all that is committed in the file itself."""
    database.writer.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def kept(database: AnyDatabase, table: str = "events") -> list[str]:
    with database.reading.connect() as connection:
        return list(connection.exec_driver_sql(f"SELECT id FROM {table} ORDER BY seq").scalars())


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_old_events_are_deleted_with_their_deliveries_and_attempts_and_recent_ones_are_kept(
    database: AnyDatabase, limit: int
) -> None:
    found(database)
    for number, at in enumerate([OLD, OLD, OLD, LIMIT, NOW]):
        delivered(database, number, at)
    assert forget(database, limit) == Pruned(3, 3, None)
    assert kept(database) == ["evt_3", "evt_4"]
    assert [count(database, table) for table in ("deliveries", "attempts")] == [2, 2]


def test_ledger_and_balance_are_kept_for_ever(database: AnyDatabase) -> None:
    found(database)
    for number in range(3):
        delivered(database, number, OLD)
    delivered(database, 3, NOW)
    forget(database)
    assert count(database, "credit_entries") == 4
    assert count(database, "teams", "balance = -8") == 1


def test_pending_deliveries_are_kept_however_old(database: AnyDatabase) -> None:
    found(database)
    delivered(database, 1, OLD, over=False)
    delivered(database, 2, NOW)
    assert forget(database) == Pruned(0, 0, None)
    assert kept(database) == ["evt_1", "evt_2"]


def test_an_old_event_that_was_resent_recently_is_kept_with_all_its_deliveries(database: AnyDatabase) -> None:
    found(database)
    work = delivered(database, 1, OLD)
    resent = run(database, Resend(work.delivery_id, "dlv_new", NOW))
    assert resent == "dlv_new"
    with database.reading.connect() as connection:
        seq = connection.exec_driver_sql("SELECT seq FROM deliveries WHERE id = 'dlv_new'").scalar_one()
    run(database, recording(Work(seq, "dlv_new", "evt_1", "a.b", b"{}", NOW), 1))
    delivered(database, 2, NOW)
    assert forget(database) == Pruned(0, 0, None)
    assert kept(database, "deliveries")[:2] == [work.delivery_id, "dlv_new"]


def test_the_newest_event_is_kept_so_that_the_order_continues_from_it(
    sqlite_database: Database, tmp_path: Path
) -> None:
    found(sqlite_database)
    for number in range(3):
        delivered(sqlite_database, number, OLD)
    forget(sqlite_database)
    assert kept(sqlite_database) == ["evt_2"]
    with sqlite_database.reading.connect() as connection:
        newest = connection.exec_driver_sql("SELECT max(seq) FROM deliveries").scalar_one()
    sqlite_database.close()
    again = open_database(tmp_path / "test.db")
    assert delivered(again, 4, NOW).seq > newest
    again.close()


def test_old_sent_mails_are_deleted_and_waiting_ones_are_kept(database: AnyDatabase) -> None:
    row = "'{}', 't', 'w', 'n', 'u', 1, '[]', '[]', {}, 0, 1, {}, NULL"
    names = "id, team_id, webhook_id, webhook_name, webhook_url, disabled_at, failures, recipients, created_at, " \
            "attempts_made, next_attempt_at, sent_at, last_error"  # fmt: skip
    with database.writing.begin() as connection:
        for name, made, sent in (("old", OLD, NOW), ("waits", OLD, "NULL"), ("young", NOW, NOW)):
            connection.exec_driver_sql(f"INSERT INTO mails ({names}) VALUES ({row.format(name, made, sent)})")
    after: int | None = 0
    while after is not None:
        after = run(database, PruneMails(LIMIT, after, 1))
    assert kept(database, "mails") == ["waits", "young"]


def test_unused_space_is_given_back_to_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database = open_database(path)
    found(database)
    for number in range(800):
        delivered(database, number, OLD)
    checkpoint(database)
    before = path.stat().st_size
    forget(database)
    while run(database, ReleaseSpace(leave_pages=10, leave_part=10, limit=16)):
        pass
    checkpoint(database)
    with database.reading.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()
    assert path.stat().st_size < 0.7 * before, "the ledger stays"


def test_space_that_will_be_filled_again_is_kept(database: AnyDatabase) -> None:
    found(database)
    delivered(database, 1, OLD)
    assert run(database, ReleaseSpace(leave_pages=1_000, leave_part=10, limit=16)) is False


def housekeeper(database: AnyDatabase, writer: Writer, *, days: Callable[[], int], now_ms: NowMs) -> Cleaner:
    store = Store(Reader(database, run_inline), writer)
    return Cleaner(store=store, clock=clock_of(now_ms), telemetry=make_telemetry(), retention_days=days)


async def test_upkeep_deletes_by_the_days_in_effect_and_0_keeps_for_ever(
    database: AnyDatabase, autojump_clock: MockClock
) -> None:
    found(database)
    for number in range(3):
        delivered(database, number, OLD)
    run(database, SaveTrustedTime(NOW))
    days = 0
    writer = Writer(database, run_inline, make_metrics())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        keeper = housekeeper(database, writer, days=lambda: days, now_ms=lambda: NOW)
        nursery.start_soon(keeper.run)
        await trio.sleep(INTERVAL_S / 2)
        assert count(database, "events") == 3
        days = 30
        await trio.sleep(INTERVAL_S)
        assert count(database, "events") == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(5))
def test_old_events_are_deleted_whatever_the_clock_did(
    database: AnyDatabase, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_blocks, "ROWS_PER_BLOCK", 4)
    chance = random.Random(seed)
    found(database)
    times = [NOW + chance.choice([0, 0, 0, -40, -31, -29, 3]) * DAY_MS for _ in range(60)]
    for number, at in enumerate([*times, NOW]):
        delivered(database, number, at)
        if chance.random() < 0.1:
            make_blocks(database, 2)
    forget(database, chance.choice([1, 3, 100]))
    assert kept(database) == [f"evt_{number}" for number, at in enumerate([*times, NOW]) if at >= LIMIT]


def test_an_event_with_very_many_deliveries_is_deleted_bit_by_bit(
    database: AnyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MAX_DELIVERIES_PER_PRUNE", 3)
    found(database)
    run(database, accepting(1, *[f"wh_{number}" for number in range(8)], at=OLD))
    with database.writer.begin():
        database.writer.exec_driver_sql("UPDATE deliveries SET status = 'succeeded'")
    delivered(database, 2, NOW)
    steps = []
    after: int | None = 0
    while after is not None:
        step = run(database, PruneEvents(LIMIT, after, 10))
        steps.append(step.deliveries)
        after = step.next_after_seq
    assert steps == [3, 3, 2, 0]
    assert kept(database) == ["evt_2"]


@pytest.mark.fault(
    "The clock is a year ahead when the daemon starts, again and again",
    "Retention deletes nothing until the clock has gone on so for an hour, also after a restart",
)
async def test_a_clock_that_jumped_ahead_deletes_nothing_within_an_hour(
    database: AnyDatabase, autojump_clock: MockClock
) -> None:
    found(database)
    delivered(database, 1, NOW)
    delivered(database, 2, NOW)
    start = trio.current_time()

    def ahead() -> int:
        return NOW + 365 * DAY_MS + round((trio.current_time() - start) * 1000)

    writer = Writer(database, run_inline, make_metrics())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        for _ in range(2):
            with trio.move_on_after(3500):
                await housekeeper(database, writer, days=lambda: 30, now_ms=ahead).run()
            assert kept(database) == ["evt_1", "evt_2"]
        with trio.move_on_after(4300):
            await housekeeper(database, writer, days=lambda: 30, now_ms=ahead).run()
        assert kept(database) == ["evt_2"]
        nursery.cancel_scope.cancel()


def test_what_waits_aside_is_kept(database: AnyDatabase) -> None:
    found(database)
    later = delivered(database, 1, OLD, over=False)
    run(database, SetAside(later.seq, "wh_1", NOW + DAY_MS, NOW))
    delivered(database, 2, OLD)
    delivered(database, 3, NOW)
    assert forget(database).events == 1
    assert kept(database) == ["evt_1", "evt_3"]
