"""What became of a webhook's deliveries over a time: by steps, in all, and the errors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from daemon.domain.clock import HOUR_MS
from daemon.domain.latencies import LATENCY_EDGES_MS, quantile
from daemon.domain.model import OutcomeKind


class StatisticsRange(StrEnum):
    """The time that statistics cover; it ends with the hour that goes on."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def hours(self) -> int:
        """How many hours it has."""
        return {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}[self.value]

    @property
    def step_hours(self) -> int:
        """How many hours are put together to one step."""
        return 6 if self is StatisticsRange.MONTH else 1


@dataclass(frozen=True, slots=True)
class HourTally:
    """What ended in the hour, or the hours, from `start` on (ms), and the attempts by their latency's class."""

    start: int
    succeeded: int
    failed: int
    cancelled: int
    latencies: tuple[int, ...]

    @property
    def ended(self) -> int:
        """How many deliveries ended."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def p50_ms(self) -> int | None:
        """The latency that half of the attempts did not exceed (ms), None without any."""
        return self._quantile(0.5)

    @property
    def p95_ms(self) -> int | None:
        """The latency that 95 % of the attempts did not exceed (ms), None without any."""
        return self._quantile(0.95)

    def _quantile(self, share: float) -> int | None:
        found = quantile(self.latencies, LATENCY_EDGES_MS, share)
        return None if found is None else max(1, round(found))


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many attempts failed in one way: `status` is that of the answer, if there was one."""

    outcome: OutcomeKind
    status: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A webhook's steps, all of them, the oldest first; their sum; and the most frequent errors, most frequent first.

    With `errors_are_partial` there were too many kinds to count: of the oldest hours there are none.
    """

    range: StatisticsRange
    steps: tuple[HourTally, ...]
    total: HourTally
    errors: tuple[ErrorCount, ...]
    errors_are_partial: bool


def first_step(covered: StatisticsRange, now: int) -> int:
    """Return when the first step begins (ms): the day of UTC is divided into steps."""
    step_ms = covered.step_hours * HOUR_MS
    return now - now % step_ms - (covered.hours - covered.step_hours) * HOUR_MS


def all_steps(covered: StatisticsRange, now: int, found: Iterable[HourTally]) -> tuple[HourTally, ...]:
    """Return every step of this time: those that were found, and empty ones."""
    step_ms, first = covered.step_hours * HOUR_MS, first_step(covered, now)
    known = {step.start: step for step in found}
    starts = range(first, first + covered.hours * HOUR_MS, step_ms)
    return tuple(known.get(start) or sum_of(start, ()) for start in starts)


def sum_of(start: int, hours: Sequence[HourTally]) -> HourTally:
    """Return what these hours have together, as one that begins at `start`."""
    return HourTally(
        start,
        sum(hour.succeeded for hour in hours),
        sum(hour.failed for hour in hours),
        cancelled=sum(hour.cancelled for hour in hours),
        latencies=tuple(_sums(hours)),
    )


def _sums(hours: Sequence[HourTally]) -> Iterator[int]:
    for place in range(len(LATENCY_EDGES_MS) + 1):
        yield sum(hour.latencies[place] for hour in hours)
