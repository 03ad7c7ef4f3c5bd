"""The pictures of a webhook: how its deliveries ended and how fast it answered, and its most frequent errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from types import MappingProxyType
from typing import Any

from api.console.rendering.axes import Moment, count_axis, latency_axis, moments
from api.console.rendering.plots import Plot, bars, lines
from api.console.rendering.times import short
from api.console.session.page_request import PageRequest
from daemon.domain.causes import error_in_words
from daemon.domain.clock import HOUR_MS
from daemon.domain.model import OutcomeKind
from daemon.domain.statistics import ErrorCount, Statistics, StatisticsRange
from daemon.store.reads.statistics_reads import webhook_statistics

_ERRORS_SHOWN = 5
RANGES: Mapping[StatisticsRange, str] = MappingProxyType(
    {
        StatisticsRange.DAY: "24 hours",
        StatisticsRange.WEEK: "7 days",
        StatisticsRange.MONTH: "30 days",
    }
)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error in words, how many attempts had it, and the filter of deliveries that shows those that ended so."""

    words: str
    attempts: int
    cause: str


def range_of(request: PageRequest) -> StatisticsRange:
    """Return the time that the query chooses, a day if it chooses none."""
    given = request.query("range")
    return StatisticsRange(given) if given in set(StatisticsRange) else StatisticsRange.DAY


async def read_pictures(request: PageRequest, webhook_id: str) -> dict[str, Any]:
    """Return what the template of the pictures shows."""
    covered = range_of(request)
    found = await request.handles.reader.fetch(webhook_statistics, webhook_id, covered, request.now)
    zone, steps = request.look.zone, found.steps
    return {
        "statistics": found,
        "range_words": RANGES[covered],
        "steps": [(short(step.start, zone), step) for step in reversed(steps)],
        "ended_plot": _ended_plot(found, zone) if found.total.ended else None,
        "latency_plot": _latency_plot(found, zone) if found.total.p50_ms else None,
        "errors": list(map(_error_row, found.errors[:_ERRORS_SHOWN])),
    }


def _ended_plot(found: Statistics, zone: tzinfo) -> Plot:
    values = {name: [getattr(step, name) for step in found.steps] for name in ("succeeded", "cancelled", "failed")}
    return bars(values, count_axis(max(step.ended for step in found.steps)), _moments(found, zone))


def _latency_plot(found: Statistics, zone: tzinfo) -> Plot:
    values = {"first": [step.p50_ms for step in found.steps], "second": [step.p95_ms for step in found.steps]}
    known = [value for series in values.values() for value in series if value is not None]
    return lines(values, latency_axis(min(known), max(known)), _moments(found, zone))


def _moments(found: Statistics, zone: tzinfo) -> tuple[Moment, ...]:
    first, until = found.steps[0].start, found.steps[-1].start + found.range.step_hours * HOUR_MS
    match found.range:
        case StatisticsRange.DAY:
            return moments(first, until, every=timedelta(hours=3), zone=zone, form="time")
        case StatisticsRange.WEEK:
            return moments(first, until, every=timedelta(days=1), zone=zone, form="day")
        case StatisticsRange.MONTH:
            return moments(first, until, every=timedelta(days=5), zone=zone, form="day")


def _error_row(error: ErrorCount) -> ErrorRow:
    is_answer = error.outcome is OutcomeKind.HTTP_ERROR and error.status is not None
    return ErrorRow(
        error_in_words(error.outcome, error.status),
        error.attempts,
        cause=str(error.status) if is_answer else error.outcome.value,
    )
