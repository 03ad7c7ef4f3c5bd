"""The axes of pictures: round values, and round times in the browser's time zone."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from types import MappingProxyType

from daemon.domain.durations import duration, short_duration

_MOST_INTERVALS = 5
_EDGE_PERCENT = 4  # nearer to an end of the axis a text would be cut
_SHORTEST_MS, _LONGEST_MS = 0.1, 100_000
# What a duration is counted in, up to twice the next one, and steps that divide the next one.
_UNITS_MS: Mapping[int, Sequence[int]] = MappingProxyType(
    {
        1: (),
        1_000: (1, 2, 5, 10, 15, 30),
        60_000: (1, 2, 5, 10, 15, 30),
        3_600_000: (1, 2, 3, 6, 12),
        86_400_000: (),
    }
)

Words = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of values: `words` stand at even distances, from the lowest to the highest value, ends included."""

    words: tuple[str, ...]
    lowest: float
    highest: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return where a value stands, from 0 at the lowest to 1 at the highest."""
        if self.logarithmic:
            return math.log(max(value / self.lowest, 1)) / math.log(self.highest / self.lowest)
        return value / self.highest


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on an axis, `at` in percent of it; one that is `minor` is left out where there is little room."""

    at: float
    words: str
    minor: bool


def count_axis(highest: int) -> Axis:
    """Return an axis of whole numbers."""
    return _linear(max(highest, 1), lambda value: f"{round(value):,}", whole=True)


def rate_axis(highest: float) -> Axis:
    """Return an axis of numbers."""
    return _linear(
        highest or 1, lambda value: f"{value:,.3f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    )


def duration_axis(highest_ms: float) -> Axis:
    """Return an axis of durations from 0 on, in the unit that fits."""
    highest = max(highest_ms, 1)
    unit = max(one for one in _UNITS_MS if one == 1 or highest >= 2 * one)
    axis = _linear(
        highest / unit,
        lambda value: duration(round(value * unit)) if value else "0",
        whole=unit == 1,
        steps=_UNITS_MS[unit],
    )
    return Axis(axis.words, 0, axis.highest * unit)


def latency_axis(lowest_ms: float, highest_ms: float) -> Axis:
    """Return an axis of durations whose values are tenfold each: from the one below the lowest on."""
    lowest = math.floor(math.log10(max(lowest_ms, _SHORTEST_MS)))
    highest = max(math.ceil(math.log10(max(min(highest_ms, _LONGEST_MS), _SHORTEST_MS))), lowest + 1)
    words = (short_duration(10.0**power) for power in range(lowest, highest + 1))
    return Axis(tuple(words), 10.0**lowest, 10.0**highest, logarithmic=True)


def moments(first: int, until: int, *, every: timedelta, zone: tzinfo, form: str, fold: int = 2) -> tuple[Moment, ...]:
    """Return the times from `first` to `until` (ms) that are `every` so long since midnight, in words of this `form`.

    But for each of `fold` they are minor.
    """
    words = "{0.day} {0:%b}" if form == "day" else "{0:%H:%M}"
    times = [(at, at.timestamp() * 1000) for at in _since_midnight(first, until, every, zone=zone)]
    places = [(100 * (at_ms - first) / (until - first), words.format(at)) for at, at_ms in times]
    inside = [one for one in places if _EDGE_PERCENT <= one[0] <= 100 - _EDGE_PERCENT]
    return tuple(Moment(round(at, 2), words, minor=bool(place % fold)) for place, (at, words) in enumerate(inside))


def _since_midnight(first: int, until: int, every: timedelta, *, zone: tzinfo) -> Iterator[datetime]:
    at = datetime.fromtimestamp(first / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while at.timestamp() * 1000 <= until:
        yield at
        at += every


def _linear(highest: float, words: Words, *, whole: bool = False, steps: Sequence[int] = ()) -> Axis:
    least = highest / _MOST_INTERVALS
    step = next((step for step in steps if step >= least > 0.5), 0) or _round_step(least)
    step = max(step, 1) if whole else step
    count = math.ceil(round(highest / step, 9))
    return Axis(tuple(words(round(step * place, 9)) for place in range(count + 1)), 0, step * count)


def _round_step(least: float) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that is no smaller."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least * (1 - 1e-9))
