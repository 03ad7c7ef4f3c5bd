"""The timeline of a delivery: its attempts, and the waits between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.model import Attempt, Delivery

_SECOND_MS, _MINUTE_MS = 1_000, 60_000
# Round steps between ticks.
_STEPS_MS = (
    *(digit * power for power in (1, 10, 100) for digit in (1, 2, 5)),
    *(step * unit for unit in (_SECOND_MS, _MINUTE_MS) for step in (1, 2, 5, 10, 15, 30)),
    *(step * HOUR_MS for step in (1, 2, 3, 6, 12)),
    *(digit * power * DAY_MS for power in (1, 10, 100, 1_000) for digit in (1, 2, 5)),
)
_MOST_TICKS = 6
_SHORTEST_MS = 10


@dataclass(frozen=True, slots=True)
class Span:
    """A period of time: where it begins and how wide it is, in percent of the timeline."""

    start: float
    width: float
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt, and the wait before it."""

    attempt: Attempt
    span: Span
    wait: Span | None
    offset_ms: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark, `offset_ms` after the first attempt began; `at` is in percent of the timeline."""

    at: float
    offset_ms: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole timeline. `next_wait` is the wait for the next attempt, if there will be one."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    queued_ms: int
    total_ms: int
    next_wait: Span | None


def timeline(delivery: Delivery, attempts: Sequence[Attempt], not_before: int | None = None) -> Timeline | None:
    """Return the timeline from the first attempt's start to the last one's end, or to the next one's start.

    Before `not_before` (ms) it did not wait for its turn.
    """
    if not attempts:
        return None
    zero = attempts[0].started_at
    last_end = max(_end(attempt) for attempt in attempts)
    next_at = delivery.next_attempt_at if delivery.next_attempt_at and delivery.next_attempt_at > last_end else None
    whole = max((next_at or last_end) - zero, _SHORTEST_MS)
    ends = [zero, *(_end(attempt) for attempt in attempts)]
    rows = tuple(
        Row(
            attempt,
            _span(attempt.started_at - zero, attempt.outcome.duration_ms, whole),
            wait=_span(before - zero, attempt.started_at - before, whole)
            if number and attempt.started_at > before
            else None,
            offset_ms=attempt.started_at - zero,
        )
        for number, (attempt, before) in enumerate(zip(attempts, ends, strict=False))
    )
    next_wait = None if next_at is None else _span(last_end - zero, next_at - last_end, whole)
    return Timeline(
        rows=rows,
        ticks=_ticks(whole),
        queued_ms=max(0, zero - max(delivery.created_at, not_before or 0)),
        total_ms=last_end - zero,
        next_wait=next_wait,
    )


def _end(attempt: Attempt) -> int:
    return attempt.started_at + attempt.outcome.duration_ms


def _span(offset_ms: int, duration_ms: int, whole: int) -> Span:
    start = min(max(100 * offset_ms / whole, 0), 100)
    return Span(round(start, 2), round(min(100 * duration_ms / whole, 100 - start), 2), duration_ms)


def _ticks(whole: int) -> tuple[Tick, ...]:
    step = next((step for step in _STEPS_MS if whole / step <= _MOST_TICKS), whole)
    return tuple(Tick(round(100 * offset / whole, 2), offset) for offset in range(0, whole + 1, step))
