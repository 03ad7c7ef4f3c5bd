"""A webhook's statistics say what became of its deliveries, for every range, and nothing of other times or webhooks."""

from dataclasses import replace

import pytest
from msgspec import structs
from sqlalchemy import delete, insert, text

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.model import CancelReason, OutcomeKind
from daemon.domain.statistics import ErrorCount, Statistics, StatisticsRange
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import CreateWebhook
from daemon.store.reads.statistics_reads import webhook_statistics
from daemon.store.rows import DamagedRow
from daemon.store.schema import webhook_errors
from daemon.store.sqlite.database import Database
from tests.store.filling import NOW, AnyDatabase, a_webhook, accept, found, recording, run
from tests.store.test_queries import read

DAY, WEEK, MONTH = StatisticsRange
THIS_HOUR = NOW - NOW % HOUR_MS


def statistics(database: AnyDatabase, covered: StatisticsRange, now: int = NOW, webhook: str = "wh_1") -> Statistics:
    found_statistics: Statistics = read(database, webhook_statistics, webhook, covered, now)
    return found_statistics


def attempt(database: AnyDatabase, number: int, now: int, *, status: int = 200, took_ms: int = 12) -> None:
    """Have an event's first attempt end at this time."""
    (work,) = accept(database, [number])
    command = recording(work, 1, status=status)
    outcome = replace(command.attempt.outcome, duration_ms=took_ms)
    run(database, structs.replace(command, now=now, attempt=replace(command.attempt, outcome=outcome)))


def test_steps_have_all_that_ended_in_them_up_to_the_hour_that_goes_on(database: AnyDatabase) -> None:
    found(database)
    for number, hours_ago in enumerate((0, 0, 1, 23, 24, 167, 168, 719, 750)):
        attempt(database, number, NOW - hours_ago * HOUR_MS)
    assert [statistics(database, covered).total.succeeded for covered in (DAY, WEEK)] == [4, 6]
    day = statistics(database, DAY)
    assert [step.start for step in day.steps] == [THIS_HOUR - ago * HOUR_MS for ago in range(23, -1, -1)]
    assert [step.succeeded for step in day.steps] == [1, *[0] * 21, 1, 2]
    assert (len(statistics(database, WEEK).steps), len(statistics(database, MONTH).steps)) == (168, 120)


def test_a_month_is_in_steps_of_six_hours_that_divide_the_day(database: AnyDatabase) -> None:
    found(database)
    midnight = NOW - NOW % DAY_MS
    for number, hour in enumerate((0, 5, 6, -1)):
        attempt(database, number, midnight + hour * HOUR_MS)
    month = statistics(database, MONTH, midnight + 7 * HOUR_MS)
    assert [(step.start, step.succeeded) for step in month.steps[-3:]] == [
        (midnight - 6 * HOUR_MS, 1),
        (midnight, 2),
        (midnight + 6 * HOUR_MS, 1),
    ]
    assert month.steps[0].start == midnight + 12 * HOUR_MS - 30 * DAY_MS


def test_outcomes_latencies_and_errors_are_told_apart(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateWebhook(a_webhook(2)))
    for number, (status, took_ms) in enumerate([(200, 5), (200, 5), (503, 400), (503, 400), (500, 8_000)]):
        attempt(database, number, NOW, status=status, took_ms=took_ms)
    accept(database, [10, 11], "wh_2")
    run(database, CancelPending("wh_2", CancelReason.WEBHOOK_DISABLED, NOW))
    day = statistics(database, DAY)
    assert (day.total.succeeded, day.total.failed, day.total.cancelled) == (2, 0, 0)
    assert (200 <= (day.total.p50_ms or 0) <= 500, day.total.p95_ms) == (True, 8_750)
    http = OutcomeKind.HTTP_ERROR
    assert day.errors == (ErrorCount(http, 503, 2), ErrorCount(http, 500, 1))
    assert (statistics(database, DAY, webhook="wh_2").total.cancelled, day.errors_are_partial) == (2, False)


def test_of_very_many_kinds_of_errors_the_newest_are_counted_and_that_is_told(database: AnyDatabase) -> None:
    rows = [
        {
            "hour": THIS_HOUR - ago * HOUR_MS,
            "webhook_id": "wh_1",
            "outcome": "http_error",
            "status": status,
            "attempts": 1,
        }
        for ago in range(20)
        for status in (range(400, 599) if ago else [599])
    ]
    with database.transaction() as connection:
        connection.execute(insert(webhook_errors), rows)
    day = statistics(database, DAY)
    assert (day.errors_are_partial, day.errors[0].attempts, len(day.errors)) == (True, 16, 10)
    with database.transaction() as connection:
        connection.execute(delete(webhook_errors).where(webhook_errors.c.status < 500))
    day = statistics(database, DAY)
    assert (day.errors_are_partial, day.errors[0].attempts) == (False, 19)


def test_without_anything_every_step_is_empty(database: AnyDatabase) -> None:
    month = statistics(database, MONTH)
    assert {step.ended for step in month.steps} == {0}
    assert (month.total.p50_ms, month.errors) == (None, ())


@pytest.mark.parametrize(
    "statement", ["UPDATE webhook_hours SET failed = 'many'", "UPDATE webhook_errors SET outcome = 'lost'"]
)
def test_a_cell_that_we_never_wrote_is_named(sqlite_database: Database, statement: str) -> None:
    found(sqlite_database)
    attempt(sqlite_database, 1, NOW, status=500)
    with sqlite_database.writer.begin():
        sqlite_database.writer.execute(text(statement))
    with pytest.raises(DamagedRow, match=r"webhook_(hours|errors)"):
        statistics(sqlite_database, DAY)
