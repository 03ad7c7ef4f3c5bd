"""Pages that judge a bounded number of rows: together they hold all that matches, in order, whatever the clock did."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import Attempt, Delivery, DeliveryStatus, LastAttempt, Outcome, OutcomeKind
from daemon.store.reads import delivery_reads, time_blocks
from daemon.store.reads.delivery_reads import last_attempts
from daemon.store.reads.time_blocks import SeqRange, last_range, next_range, next_time_block
from daemon.store.rows import attempt_row
from daemon.store.schema import attempts, deliveries, events
from daemon.store.writes.events import insert_deliveries
from tests.store.filling import NOW, AnyDatabase, accept, accepting, count, found, run

MINUTE_MS = 60_000


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_blocks, "ROWS_PER_BLOCK", 4)


def times(chance: random.Random, count: int) -> list[int]:
    """Times of acceptance: they rise, but for a clock that now and then jumps by minutes, hours or days, and back."""
    now, offset, all_times = NOW, 0, []
    for _ in range(count):
        now += chance.choice([0, 1, 1000, MINUTE_MS, 20 * MINUTE_MS])
        if chance.random() < 0.1:
            unit = chance.choice([MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS])
            offset = chance.choice([0, offset + unit * chance.randint(-9, 9)])
        all_times.append(now + offset)
    return all_times


def make_blocks(database: AnyDatabase, limit: int = 1_000_000) -> None:
    """Make the time blocks of both tables, at most so many of each."""
    for table_name in time_blocks.TIMES:
        for _ in range(limit):
            with database.reading.connect() as connection:
                block = next_time_block(connection, table_name)
            if block is None:
                break
            run(database, block)


def fill(database: AnyDatabase, chance: random.Random, rows: int) -> list[Delivery]:
    """Insert deliveries of two teams with two webhooks each, of every status and of three types, with gaps.

    Those that were attempted have attempts; only those that succeeded were delivered in the last one.
    """
    with database.writer.begin():
        for number, at in enumerate(times(chance, rows)):
            team = chance.choice("ab")
            webhook, event_type = f"wh_{team}{chance.choice('12')}", chance.choice(["common", "common", "rare"])
            row = (number * 3 + 1, f"dlv_{number}", f"evt_{number}", event_type, webhook, team)
            status = chance.choice([*DeliveryStatus])
            made = chance.choice([0, 1, 2]) if status is not DeliveryStatus.SUCCEEDED else chance.choice([1, 2])
            insert_deliveries(database.writer, [(*row, status.value, made, at, 0)])
            for attempt in range(1, made + 1):
                is_last = attempt == made and status is DeliveryStatus.SUCCEEDED
                kind, answer = chance.choice(DELIVERED if is_last else NOT_DELIVERED)
                outcome = Outcome(kind, duration_ms=attempt, status=answer)
                database.writer.execute(attempts.insert().values(attempt_row(row[0], Attempt(attempt, at, outcome))))
    make_blocks(database, chance.choice([0, 1, 5, rows]))  # the rest is still to be made
    with database.reading.connect() as connection:
        return list(delivery_reads.list_deliveries(connection, DeliveryFilter(), rows + 1).items)


DELIVERED = [(OutcomeKind.DELIVERED, 200), (OutcomeKind.DELIVERED, 204)]
NOT_DELIVERED = [
    (OutcomeKind.HTTP_ERROR, 404),
    (OutcomeKind.HTTP_ERROR, 503),
    (OutcomeKind.TIMEOUT, None),
    (OutcomeKind.TIMEOUT, 200),
]


def a_filter(chance: random.Random, all_deliveries: Sequence[Delivery]) -> DeliveryFilter:
    def a_time() -> int:
        near = chance.choice([0, 0, 1, -1, MINUTE_MS, -MINUTE_MS, 10**9, -(10**9)])
        return near + (chance.choice(all_deliveries).created_at if all_deliveries else NOW)

    return DeliveryFilter(
        team_id=chance.choice([None, "a", "b"]),
        webhook_id=chance.choice([None, None, "wh_a1", "wh_b2"]),
        statuses=tuple(chance.sample([*DeliveryStatus], chance.choice([0, 0, 1, 2, 4]))),
        event_type=chance.choice([None, None, "common", "rare", "none"]),
        outcome=chance.choice([*[None] * 5, OutcomeKind.DELIVERED, OutcomeKind.TIMEOUT, OutcomeKind.DNS_ERROR]),
        http_statuses=chance.choice([*[None] * 6, range(200, 201), range(200, 300), range(500, 600), range(404, 405)]),
        since=chance.choice([None, a_time()]),
        until=chance.choice([None, a_time()]),
    )


def fits(wanted: DeliveryFilter, delivery: Delivery, last: LastAttempt | None) -> bool:
    pairs: Iterable[tuple[Any, Any]] = (
        (wanted.team_id, delivery.team_id),
        (wanted.webhook_id, delivery.webhook_id),
        (wanted.outcome, last and last.outcome),
        (wanted.event_type, delivery.event_type),
    )
    since, until = wanted.since, wanted.until
    return (
        all(value is None or value == its for value, its in pairs)
        and (not wanted.statuses or delivery.status in wanted.statuses)
        and (wanted.http_statuses is None or (last is not None and last.status in wanted.http_statuses))
        and (since is None or delivery.created_at >= since)
        and (until is None or delivery.created_at <= until)
    )


def walk(connection: Connection, wanted: DeliveryFilter, limit: int, look_at: int) -> list[Delivery]:
    """Return what all pages hold; each cursor is behind the one before it."""
    items: list[Delivery] = []
    cursor: int | None = None
    while True:
        page = delivery_reads.list_deliveries(connection, wanted, limit, cursor, look_at)
        assert len(page.items) <= limit
        items += page.items
        if page.next_cursor is None:
            return items
        assert cursor is None or page.next_cursor < cursor
        cursor = page.next_cursor


@pytest.mark.parametrize("seed", range(10))
def test_all_pages_together_hold_exactly_what_matches_newest_first(database: AnyDatabase, seed: int) -> None:
    chance = random.Random(seed)
    everything = fill(database, chance, chance.choice([0, 1, 5, 60, 60, 60]))
    with database.reading.connect() as connection:
        last = last_attempts(connection, everything)
        for _ in range(60):
            wanted, limit, look_at = a_filter(chance, everything), chance.randint(1, 7), chance.choice([1, 2, 5, 13])
            expected = [delivery for delivery in everything if fits(wanted, delivery, last.get(delivery.id))]
            assert walk(connection, wanted, limit, look_at) == expected, (wanted, limit, look_at)


def test_a_page_stops_early_and_the_next_one_continues_from_there(database: AnyDatabase) -> None:
    found(database)
    seqs = [work.seq for work in accept(database, range(10))]
    run(database, accepting(99, "wh_1", event_type="rare"))
    accept(database, range(20, 30))
    wanted = DeliveryFilter(team_id="team_1", event_type="rare")
    with database.reading.connect() as connection:
        first = delivery_reads.list_deliveries(connection, wanted, 5, None, 10)
        assert (first.items, first.next_cursor) == ((), seqs[-1] + 2)
        second = delivery_reads.list_deliveries(connection, wanted, 5, first.next_cursor, 10)
        assert [one.id for one in second.items] == ["dlv_99_wh_1"]
        third = delivery_reads.list_deliveries(connection, wanted, 5, second.next_cursor, 10)
        assert (third.items, third.next_cursor) == ((), None)


def test_a_page_that_an_index_fills_is_not_cut_short(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(10))
    with database.reading.connect() as connection:
        page = delivery_reads.list_deliveries(connection, DeliveryFilter(team_id="team_1"), 10, None, 3)
    assert (len(page.items), page.next_cursor) == (10, None)


@pytest.mark.parametrize("seed", range(10))
def test_time_ranges_exclude_nothing_whatever_the_clock_did_and_are_in_order(database: AnyDatabase, seed: int) -> None:
    chance, at = random.Random(seed), deliveries.c.created_at
    everything = fill(database, chance, 120)
    with database.reading.connect() as connection:
        for moment in chance.sample([one.created_at for one in everything], 40):
            until = chance.choice([None, moment + chance.randint(0, 10**8)])
            fitting = {one.seq for one in everything if moment <= one.created_at <= (until or 10**15)}
            for ranges in (upwards(connection, at, moment, until), downwards(connection, at, moment, until)):
                assert all(any(holds(reach, seq) for reach in ranges) for seq in fitting)
                bounds = [bound for reach in ranges for bound in (reach.first_seq, reach.end_seq or 10**9)]
                assert bounds == sorted(bounds)


def upwards(connection: Connection, at: Any, since: int, until: int | None) -> list[SeqRange]:
    ranges = [next_range(connection, at, 0, since, until)]
    while (end := ranges[-1].end_seq) is not None:
        ranges.append(next_range(connection, at, end, since, until))
    return ranges


def downwards(connection: Connection, at: Any, since: int, until: int | None) -> list[SeqRange]:
    ranges: list[SeqRange] = []
    before = None
    while reach := last_range(connection, at, before, since, until):
        ranges.insert(0, reach)
        before = reach.first_seq
    return ranges


def holds(reach: SeqRange, seq: int) -> bool:
    return reach.first_seq <= seq and (reach.end_seq is None or seq < reach.end_seq)


def test_with_a_correct_clock_a_time_needs_only_its_own_blocks_and_the_tail(database: AnyDatabase) -> None:
    found(database)
    for number in range(50):
        run(database, accepting(number, "wh_1", at=NOW + number * MINUTE_MS))
    make_blocks(database)
    with database.reading.connect() as connection:
        for at in (events.c.accepted_at, deliveries.c.created_at):
            since, until = NOW + 20 * MINUTE_MS, NOW + 25 * MINUTE_MS
            assert upwards(connection, at, since, until) == [SeqRange(21, 29), SeqRange(49, None)]
            assert last_range(connection, at, 49, since, until) == SeqRange(21, 29)
            assert next_range(connection, at, since=since) == SeqRange(21, None)


def test_blocks_of_deleted_rows_are_deleted(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(20))
    make_blocks(database)
    with database.writer.begin():
        database.writer.exec_driver_sql("DELETE FROM deliveries WHERE seq <= 10")
    accept(database, range(30, 34))
    make_blocks(database)
    assert count(database, "time_blocks", "table_name = 'deliveries'") == 4
    assert count(database, "time_blocks", "table_name = 'events'") == 6
