"""What became of a webhook's deliveries: run this with `Reader.fetch`. It reads a bounded number of rows."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, bindparam, func, select

from daemon.domain.clock import HOUR_MS
from daemon.domain.model import OutcomeKind
from daemon.domain.statistics import (
    ErrorCount,
    HourTally,
    Statistics,
    StatisticsRange,
    all_steps,
    first_step,
    sum_of,
)
from daemon.store import rows
from daemon.store.bulk import fetch_rows, in_one_row
from daemon.store.schema import LATENCY_COLUMNS
from daemon.store.schema import webhook_errors as _errors
from daemon.store.schema import webhook_hours as _hours

# A receiver may answer each attempt with another status.
_ERROR_ROWS = 3_000
_ERRORS_SHOWN = 10
_LATENCIES_AT = 4


def webhook_statistics(connection: Connection, webhook_id: str, covered: StatisticsRange, now: int) -> Statistics:
    """Return the statistics of a webhook, whether there is one or not, up to the hour of `now` (ms).

    It reads a row for each hour, and so many of errors at most, the newest first.
    """
    first = first_step(covered, now)
    wanted = {"hours": list(range(first, now + 1, HOUR_MS)), "webhook_id": webhook_id}
    found = fetch_rows(connection, _STEPS, {**wanted, "step_ms": covered.step_hours * HOUR_MS})
    steps = all_steps(covered, now, map(_tally, found))
    errors = fetch_rows(connection, _ERRORS, wanted)
    return Statistics(
        covered,
        steps,
        total=sum_of(first, steps),
        errors=_most_frequent(errors),
        errors_are_partial=sum(rows_of_kind for *_, rows_of_kind in errors) == _ERROR_ROWS,
    )


def _of_webhook(table: Table) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    # The hours one by one: a period would be searched through all webhooks.
    return table.c.hour.in_(bindparam("hours", expanding=True)), table.c.webhook_id == bindparam("webhook_id")


_start = (_hours.c.hour - _hours.c.hour % bindparam("step_ms", type_=BigInteger)).label("start")
_ends = (_hours.c.succeeded, _hours.c.failed, _hours.c.cancelled, *(_hours.c[name] for name in LATENCY_COLUMNS))
_STEPS = in_one_row(
    select(_start, *(func.sum(column).label(column.name) for column in _ends))
    .where(*_of_webhook(_hours))
    .group_by(_start)
)
_newest = (
    select(_errors.c.outcome, _errors.c.status, _errors.c.attempts)
    .where(*_of_webhook(_errors))
    .order_by(_errors.c.hour.desc())
    .limit(_ERROR_ROWS)
    .subquery("newest")
)
_ERRORS = in_one_row(
    select(
        _newest.c.outcome,
        _newest.c.status,
        func.sum(_newest.c.attempts).label("attempts"),
        func.count().label("rows_of_kind"),
    ).group_by(_newest.c.outcome, _newest.c.status)
)


def _tally(row: list[Any]) -> HourTally:
    for column, value in zip(_ends, row[1:], strict=True):
        rows.right("webhook_hours", column.name, value)
    start, succeeded, failed, cancelled = row[:_LATENCIES_AT]
    return HourTally(start, succeeded, failed, cancelled=cancelled, latencies=tuple(row[_LATENCIES_AT:]))


def _most_frequent(found: list[list[Any]]) -> tuple[ErrorCount, ...]:
    errors = map(_error, found)
    return tuple(sorted(errors, key=lambda error: (-error.attempts, error.outcome, error.status or 0))[:_ERRORS_SHOWN])


def _error(row: list[Any]) -> ErrorCount:
    outcome, status, attempts, _ = row
    for column, value in (("outcome", outcome), ("status", status), ("attempts", attempts)):
        rows.right("webhook_errors", column, value)
    return ErrorCount(OutcomeKind(outcome), status or None, attempts)
