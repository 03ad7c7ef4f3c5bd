"""The pictures of the System page: the last hour of the node that answers, minute by minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.console.rendering.axes import Axis, Moment, count_axis, duration_axis, latency_axis, moments, rate_axis
from api.console.rendering.plots import Plot, lines
from api.console.rendering.times import short
from api.console.session.page_request import PageRequest
from daemon.domain.durations import short_duration
from daemon.maintenance.last_hour import MINUTES, Minute

_MINUTE_MS = 60_000

# What is known of each minute, of 60; None for those before the start.
Hour = Sequence[Minute | None]
Series = list[float | None]


@dataclass(frozen=True, slots=True)
class Picture:
    """One of the pictures, and what it shows in words; without anything to show there is no plot."""

    title: str
    words: str
    plot: Plot | None
    legend: tuple[tuple[str, str], ...] = ()


def show_hour(request: PageRequest) -> dict[str, Any]:
    """Return what the template of the last hour shows."""
    known = request.handles.system.minutes()
    if not known:
        return {"minutes": (), "pictures": (), "is_shared": request.handles.nodes.are_shared}
    hour: Hour = (*[None] * (MINUTES - len(known)), *known)
    until, zone = known[-1].at, request.look.zone
    ends = [until - ago * _MINUTE_MS for ago in range(MINUTES)]
    rows = [(short(minute.at if minute else end, zone), minute) for end, minute in zip(ends, hour[::-1], strict=True)]
    times = moments(until - MINUTES * _MINUTE_MS, until, every=timedelta(minutes=10), zone=zone, form="time")
    return {"minutes": rows, "pictures": _pictures(hour, times), "is_shared": request.handles.nodes.are_shared}


def _pictures(hour: Hour, times: tuple[Moment, ...]) -> tuple[Picture, ...]:
    return (
        _throughput(hour, times),
        _latencies(
            "Latency of attempts",
            _of_each(hour, lambda minute: minute.attempt_p50_ms),
            _of_each(hour, lambda minute: minute.attempt_p95_ms),
            times=times,
            nothing="No attempt has ended in the last hour.",
        ),
        _backlog(hour, times),
        _oldest(hour, times),
        _latencies(
            "Commit time",
            _of_each(hour, lambda minute: minute.commit_p50_ms),
            _of_each(hour, lambda minute: minute.commit_p95_ms),
            times=times,
            nothing="Nothing was committed in the last hour.",
        ),
    )


def _throughput(hour: Hour, times: tuple[Moment, ...]) -> Picture:
    accepted = _of_each(hour, lambda minute: minute.accepted / 60)
    ended = _of_each(hour, lambda minute: minute.ended / 60)
    last = f"{accepted[-1] or 0:,.1f} events accepted and {ended[-1] or 0:,.1f} deliveries ended a second"
    return Picture(
        "Throughput, a second",
        f"in the last minute {last}",
        lines({"first": accepted, "second": ended}, rate_axis(_highest(accepted, ended)), times),
        legend=(("first", "events accepted"), ("second", "deliveries ended")),
    )


def _backlog(hour: Hour, times: tuple[Moment, ...]) -> Picture:
    return _single(
        "Backlog, deliveries pending",
        _of_each(hour, lambda minute: minute.backlog),
        times,
        axis=lambda highest: count_axis(round(highest)),
        words=lambda value: f"{value:,.0f}",
    )


def _oldest(hour: Hour, times: tuple[Moment, ...]) -> Picture:
    oldest = _of_each(hour, lambda minute: minute.oldest_ms)
    return _single("Age of the oldest pending delivery", oldest, times, axis=duration_axis, words=short_duration)


def _single(
    title: str,
    series: Series,
    times: tuple[Moment, ...],
    *,
    axis: Callable[[float], Axis],
    words: Callable[[float], str],
) -> Picture:
    highest, last = _highest(series), series[-1]
    said = f"at most {words(highest)}, {'unknown' if last is None else words(last)} in the last minute"
    return Picture(title, said, lines({"first": series}, axis(highest), times))


def _latencies(title: str, half: Series, most: Series, *, times: tuple[Moment, ...], nothing: str) -> Picture:
    known = [value for value in (*half, *most) if value is not None]
    if not known:
        return Picture(title, nothing, None)
    highest = max(known)
    return Picture(
        title,
        f"95 of 100 took at most {short_duration(highest)}",
        lines({"first": half, "second": most}, latency_axis(min(known), highest), times),
        legend=(("first", "p50"), ("second", "p95")),
    )


def _of_each(hour: Hour, value: Callable[[Minute], float | None]) -> Series:
    return [None if minute is None else value(minute) for minute in hour]


def _highest(*series: Series) -> float:
    return max((value for one in series for value in one if value is not None), default=0)
