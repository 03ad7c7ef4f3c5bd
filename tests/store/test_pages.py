"""Pages that judge a bounded number of rows: all of them together hold what fits, in order, whatever the clock did."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from daemon.model import Delivery, DeliveryStatus
from daemon.store import daemon_queries, queries
from daemon.store.accepting import insert_deliveries
from daemon.store.database import Database
from daemon.store.queries import DeliveryFilter
from daemon.store.schema import deliveries
from daemon.store.seq_bounds import CLOCK_MARGIN_MS, end_seq_until, first_seq_since
from tests.store.filling import NOW, accept, accepting, found, run

MINUTE_MS = 60_000


def times(chance: random.Random, count: int) -> list[int]:
    """Times of acceptance: they rise, but for a clock that is set back, by less than the margin all in all."""
    now, set_back, all_times = NOW, 0, []
    for _ in range(count):
        now += chance.choice([0, 1, 1000, MINUTE_MS, 20 * MINUTE_MS])
        set_back = chance.choice([set_back, set_back, 0, chance.randint(0, CLOCK_MARGIN_MS)])
        all_times.append(now - set_back)
    return all_times


def fill(database: Database, chance: random.Random, count: int) -> list[Delivery]:
    """Insert deliveries of two teams with two webhooks each, of every status and of three types, with gaps."""
    with database.writer.begin():
        for number, at in enumerate(times(chance, count)):
            team = chance.choice("ab")
            webhook, event_type = f"wh_{team}{chance.choice('12')}", chance.choice(["common", "common", "rare"])
            row = (number * 3 + 1, f"dlv_{number}", f"evt_{number}", event_type, webhook, team)
            insert_deliveries(database.writer, [(*row, chance.choice([*DeliveryStatus]).value, 0, at, 0)])
    with database.reading.connect() as connection:
        return list(queries.list_deliveries(connection, DeliveryFilter(), count + 1).items)


def a_filter(chance: random.Random, all_deliveries: Sequence[Delivery]) -> DeliveryFilter:
    def a_time() -> int:
        near = chance.choice([0, 0, 1, -1, MINUTE_MS, -MINUTE_MS, 10**9, -(10**9)])
        return near + (chance.choice(all_deliveries).created_at if all_deliveries else NOW)

    return DeliveryFilter(
        team_id=chance.choice([None, "a", "b"]),
        webhook_id=chance.choice([None, None, "wh_a1", "wh_b2"]),
        status=chance.choice([None, None, *DeliveryStatus]),
        event_type=chance.choice([None, None, "common", "rare", "none"]),
        since=chance.choice([None, a_time()]),
        until=chance.choice([None, a_time()]),
    )


def fits(wanted: DeliveryFilter, delivery: Delivery) -> bool:
    pairs: Iterable[tuple[Any, Any]] = (
        (wanted.team_id, delivery.team_id),
        (wanted.webhook_id, delivery.webhook_id),
        (wanted.status, delivery.status),
        (wanted.event_type, delivery.event_type),
    )
    since, until = wanted.since, wanted.until
    return (
        all(value is None or value == its for value, its in pairs)
        and (since is None or delivery.created_at >= since)
        and (until is None or delivery.created_at <= until)
    )


def walk(connection: Connection, wanted: DeliveryFilter, limit: int, look_at: int) -> list[Delivery]:
    """Return what all pages hold; each cursor is behind the one before it."""
    items: list[Delivery] = []
    cursor: int | None = None
    while True:
        page = queries.list_deliveries(connection, wanted, limit, cursor, look_at)
        assert len(page.items) <= limit
        items += page.items
        if page.next_cursor is None:
            return items
        assert cursor is None or page.next_cursor < cursor
        cursor = page.next_cursor


@pytest.mark.parametrize("seed", range(10))
def test_all_pages_together_hold_exactly_what_fits_newest_first(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    everything = fill(database, chance, chance.choice([0, 1, 5, 60, 60, 60]))
    with database.reading.connect() as connection:
        for _ in range(40):
            wanted, limit, look_at = a_filter(chance, everything), chance.randint(1, 7), chance.choice([1, 2, 5, 13])
            expected = [delivery for delivery in everything if fits(wanted, delivery)]
            assert walk(connection, wanted, limit, look_at) == expected, (wanted, limit, look_at)


def test_a_page_stops_looking_and_the_next_one_goes_on_from_there(database: Database) -> None:
    found(database)
    seqs = [work.seq for work in accept(database, range(10))]
    run(database, accepting(99, "wh_1", event_type="rare"))
    accept(database, range(20, 30))
    wanted = DeliveryFilter(team_id="team_1", event_type="rare")
    with database.reading.connect() as connection:
        first = queries.list_deliveries(connection, wanted, 5, None, 10)
        assert (first.items, first.next_cursor) == ((), seqs[-1] + 2)
        second = queries.list_deliveries(connection, wanted, 5, first.next_cursor, 10)
        assert [one.id for one in second.items] == ["dlv_99_wh_1"]
        third = queries.list_deliveries(connection, wanted, 5, second.next_cursor, 10)
        assert (third.items, third.next_cursor) == ((), None)


def test_a_page_that_an_index_fills_is_not_cut_short(database: Database) -> None:
    found(database)
    accept(database, range(10))
    with database.reading.connect() as connection:
        page = queries.list_deliveries(connection, DeliveryFilter(team_id="team_1"), 10, None, 3)
    assert (len(page.items), page.next_cursor) == (10, None)


@pytest.mark.parametrize("seed", range(5))
def test_the_bounds_of_a_time_are_near_and_shut_nothing_out(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    everything = fill(database, chance, 200)
    with database.reading.connect() as connection:
        for moment in [one.created_at for one in everything]:
            first = first_seq_since(connection, deliveries.c.seq, deliveries.c.created_at, moment)
            end = end_seq_until(connection, deliveries.c.seq, deliveries.c.created_at, moment)
            assert all(one.created_at < moment for one in everything if one.seq < first)
            assert all(one.created_at > moment for one in everything if one.seq >= end)
            needless = [one for one in everything if first <= one.seq < end and one.created_at != moment]
            assert all(abs(one.created_at - moment) <= 2 * CLOCK_MARGIN_MS for one in needless)


def test_recovering_begins_with_the_first_event_at_or_after_its_time(database: Database) -> None:
    found(database)
    for number in range(50):
        run(database, accepting(number, at=NOW + number * 3 * MINUTE_MS, team=1 + number % 2))
    with database.reading.connect() as connection:
        since = [NOW + minutes * MINUTE_MS for minutes in (0, 1, 60, 150)]
        seqs = [daemon_queries.first_seq_since(connection, "team_1", at) for at in since]
    assert seqs == [1, 3, 21, None]
