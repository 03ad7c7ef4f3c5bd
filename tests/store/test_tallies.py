"""Hourly and daily counts agree with deliveries and ledger, whatever is repeated or fails; old hours are deleted."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from alembic import command
from msgspec import structs
from sqlalchemy import Connection, text

from daemon.actors.threads import run_inline
from daemon.domain.clock import DAY_MS, HOUR_MS, clock_of
from daemon.domain.latencies import latency_class
from daemon.domain.lifecycle import Verdict
from daemon.domain.model import CancelReason, DeliveryStatus, OutcomeKind, Work
from daemon.maintenance.cleaner import INTERVAL_S, Cleaner
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import CreateTeam, CreateWebhook, GrantCredits, RecordAttempt
from daemon.store.job_commands import AddBulkJob, CancelForJob
from daemon.store.reads.reader import Reader
from daemon.store.schema import LATENCY_COLUMNS
from daemon.store.sqlite.database import open_database
from daemon.store.store import Store
from daemon.store.upkeep_commands import PruneWebhookHours
from daemon.store.writes.batch import run_batch
from daemon.store.writes.counters import MOST_HOURS_KEPT_MS, hours_kept_ms
from daemon.store.writes.writer import Writer
from daemon.telemetry.metrics import make_metrics
from tests.store.filling import NOW, AnyDatabase, a_bulk_job, a_team, a_webhook, accept, count, found, recording, run
from tests.store.test_database import alembic_config
from tests.support.telemetry import make_telemetry

HOURS = """
    SELECT hour, webhook_id, succeeded, failed, cancelled FROM webhook_hours
    WHERE succeeded + failed + cancelled > 0 ORDER BY hour, webhook_id
"""
ENDED = f"""
    SELECT completed_at - completed_at % {HOUR_MS}, webhook_id, count(CASE WHEN status = 'succeeded' THEN 1 END),
        count(CASE WHEN status = 'failed' THEN 1 END), count(CASE WHEN status = 'cancelled' THEN 1 END)
    FROM deliveries WHERE status != 'pending' GROUP BY 1, 2 ORDER BY 1, 2
"""
LATENCIES = f"SELECT webhook_id, {', '.join(f'sum({name})' for name in LATENCY_COLUMNS)} FROM webhook_hours GROUP BY 1"
ATTEMPTS = """
    SELECT d.webhook_id, a.duration_ms FROM attempts a JOIN deliveries d ON d.seq = a.delivery_seq
    WHERE a.status IS NOT NULL OR a.outcome = 'timeout'
"""
ERRORS = "SELECT webhook_id, outcome, status, sum(attempts) FROM webhook_errors GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
FAILED = """
    SELECT d.webhook_id, a.outcome, coalesce(a.status, 0), count(*)
    FROM attempts a JOIN deliveries d ON d.seq = a.delivery_seq
    WHERE a.outcome != 'delivered' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
DAYS = "SELECT team_id, day, consumed FROM credit_days ORDER BY team_id, day"
DEBITED = f"""
    SELECT team_id, created_at - created_at % {DAY_MS}, -sum(amount)
    FROM credit_entries WHERE delivery_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
STEPS_MS = (0, 1, 60_000, HOUR_MS, 7 * HOUR_MS, -HOUR_MS)


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def assert_tallies_agree(database: AnyDatabase) -> None:
    with database.reading.connect() as connection:
        assert rows(connection, HOURS) == rows(connection, ENDED)
        assert rows(connection, DAYS) == rows(connection, DEBITED)
        assert rows(connection, ERRORS) == rows(connection, FAILED)
        counted = {str(webhook_id): counts for webhook_id, *counts in rows(connection, LATENCIES) if any(counts)}
        made: dict[str, list[object]] = {}
        for webhook_id, duration_ms in connection.execute(text(ATTEMPTS)):
            made.setdefault(webhook_id, [0] * len(LATENCY_COLUMNS))[latency_class(duration_ms)] += 1  # type: ignore[operator]  # they are numbers
        assert counted == made


def lasting(command: RecordAttempt, chance: random.Random) -> RecordAttempt:
    """Return the same attempt with another duration, and if it failed perhaps without an answer."""
    outcome = replace(command.attempt.outcome, duration_ms=chance.choice([0, 10, 11, 730, 10_000, 10_001]))
    if not outcome.delivered and chance.random() < 0.5:
        kind = chance.choice([OutcomeKind.TIMEOUT, OutcomeKind.CONNECT_ERROR])
        outcome = replace(outcome, kind=kind, status=None)
    return structs.replace(command, attempt=replace(command.attempt, outcome=outcome))


def ending(work: Work, webhook: int, status: int, now: int, charge: int = 2) -> RecordAttempt:
    """Return the command that ends a delivery with its first attempt."""
    outcome = recording(work, 1, status=status, webhook=webhook)
    outcome = structs.replace(outcome, team_id=f"team_{webhook}", charge=charge, now=now, next_attempt_at=None)
    return outcome if status < 300 else structs.replace(outcome, verdict=Verdict(DeliveryStatus.FAILED, None, 0))


def two_webhooks(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateTeam(a_team(2)))
    run(database, CreateWebhook(a_webhook(2, team=2)))


def random_commands(database: AnyDatabase, chance: random.Random, now: int) -> list[RecordAttempt]:
    """Accept some events for both webhooks; return what becomes of most of them."""
    recorded = []
    for webhook in (1, 2):
        numbers = [chance.randrange(10**12) for _ in range(chance.choice([1, 3, 20]))]
        for work in accept(database, numbers, f"wh_{webhook}"):
            status = chance.choice([200, 200, 500, 0])
            if status == 0:
                recorded.append(structs.replace(recording(work, 1, status=500, webhook=webhook), now=now))
            elif chance.random() < 0.9:
                recorded.append(ending(work, webhook, status, now, chance.choice([0, 2, 5])))
    return [lasting(command, chance) for command in recorded]


@pytest.mark.parametrize("seed", range(6))
def test_hours_and_days_agree_with_deliveries_and_ledger_whatever_is_repeated(database: AnyDatabase, seed: int) -> None:
    chance, now, done = random.Random(seed), NOW, list[RecordAttempt]()
    two_webhooks(database)
    for turn in range(12):
        now += chance.choice(STEPS_MS)
        some = random_commands(database, chance, now)
        repeated = chance.sample(done, min(len(done), chance.choice([0, 0, 3])))
        batch = [*some, *repeated, *chance.sample(some, chance.choice([0, 1]))]
        run_batch(database, chance.sample(batch, len(batch)))
        run(database, GrantCredits(f"crd_g{turn}", "team_1", 9, None, now))
        if chance.random() < 0.2:
            run(database, CancelPending("wh_1", CancelReason.WEBHOOK_DISABLED, now))
        done += some
        assert_tallies_agree(database)
    assert count(database, "webhook_hours") > 2


def test_what_a_bulk_job_cancels_is_counted(database: AnyDatabase) -> None:
    found(database)
    seqs = tuple(work.seq for work in accept(database, range(5)))
    run(database, AddBulkJob(a_bulk_job(1), limit=5, kept=10))
    for _ in range(2):
        run(database, CancelForJob(a_webhook(), "job_1", seqs[:4], seqs[:1], NOW))
    assert_tallies_agree(database)
    assert count(database, "webhook_hours", "cancelled = 3") == 1


def test_the_same_end_given_twice_counts_once(database: AnyDatabase) -> None:
    found(database)
    (work,) = accept(database, [1])
    run_batch(database, [ending(work, 1, 200, NOW)] * 2)
    run(database, ending(work, 1, 200, NOW))
    with database.reading.connect() as connection:
        assert rows(connection, HOURS) == [(NOW - NOW % HOUR_MS, "wh_1", 1, 0, 0)]
        assert rows(connection, DAYS) == [("team_1", NOW - NOW % DAY_MS, 2)]


def test_an_outcome_whose_transaction_fails_is_counted_nowhere(database: AnyDatabase) -> None:
    found(database)
    first, second = accept(database, [1, 2])
    taken = structs.replace(ending(second, 1, 200, NOW), entry_id=ending(first, 1, 200, NOW).entry_id)
    run(database, ending(first, 1, 200, NOW))
    (refused,) = run_batch(database, [taken])
    assert isinstance(refused, Exception)
    assert_tallies_agree(database)


def ended_at(database: AnyDatabase, moments: Sequence[int]) -> None:
    found(database)
    for moment, work in zip(moments, accept(database, range(len(moments))), strict=True):
        run(database, ending(work, 1, 200, moment))


def test_hours_are_deleted_oldest_first_and_a_bounded_number_at_a_time(database: AnyDatabase) -> None:
    ended_at(database, [NOW + hour * HOUR_MS for hour in range(5)])
    before = NOW - NOW % HOUR_MS + 3 * HOUR_MS
    assert run(database, PruneWebhookHours(before, 2)) == 2
    assert count(database, "webhook_hours", f"hour >= {before - HOUR_MS}") == count(database, "webhook_hours") == 3
    assert run(database, PruneWebhookHours(before, 2)) == 1
    assert run(database, PruneWebhookHours(before, 2)) == 0
    assert count(database, "webhook_hours") == 2


def test_errors_are_deleted_with_their_hours(database: AnyDatabase) -> None:
    found(database)
    for hour, work in enumerate(accept(database, range(5))):
        run(database, structs.replace(recording(work, 1, status=500 + hour), now=NOW + hour * HOUR_MS))
    before = NOW - NOW % HOUR_MS + 3 * HOUR_MS
    assert [run(database, PruneWebhookHours(before, 2)) for _ in range(3)] == [2, 1, 0]
    assert count(database, "webhook_errors", "status >= 503") == count(database, "webhook_errors") == 2


def test_hours_are_kept_as_long_as_events_but_for_two_days_at_least_and_a_month_at_most() -> None:
    assert [hours_kept_ms(days) // DAY_MS for days in (1, 2, 7, 30, 365, 0)] == [2, 2, 7, 30, 31, 31]


async def test_upkeep_deletes_all_hours_older_than_a_month(
    database: AnyDatabase, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.maintenance.cleaner._HOURS_AT_ONCE", 2)
    ended_at(database, [NOW - MOST_HOURS_KEPT_MS - hour * HOUR_MS for hour in range(-1, 6)])
    writer = Writer(database, run_inline, make_metrics())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        keeper = Cleaner(
            store=Store(Reader(database, run_inline), writer),
            clock=clock_of(lambda: NOW),
            telemetry=make_telemetry(),
            retention_days=lambda: 0,
        )
        nursery.start_soon(keeper.run)
        await trio.sleep(INTERVAL_S / 2)
        nursery.cancel_scope.cancel()
    oldest = NOW - MOST_HOURS_KEPT_MS
    assert count(database, "webhook_hours", f"hour >= {oldest}") == count(database, "webhook_hours") == 2


@pytest.mark.parametrize("seed", range(3))
def test_the_migration_counts_existing_rows(tmp_path: Path, seed: int) -> None:
    chance, path = random.Random(seed), tmp_path / "x.db"
    database = open_database(path)
    two_webhooks(database)
    for turn in range(8):
        run_batch(database, list(random_commands(database, chance, NOW + turn * 9 * HOUR_MS)))
    run(database, GrantCredits("crd_g", "team_1", 9, None, NOW))
    with database.reading.connect() as connection:
        hours, days = rows(connection, HOURS), rows(connection, DAYS)
    config = alembic_config()
    with database.writing.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    database.close()
    open_database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        (newest,) = connection.execute("SELECT max(completed_at) FROM deliveries").fetchone()
        kept = [row for row in hours if int(str(row[0])) > newest - 48 * HOUR_MS]
        assert 0 < len(kept) < len(hours)
        assert connection.execute(HOURS).fetchall() == kept
        assert connection.execute(DAYS).fetchall() == days
