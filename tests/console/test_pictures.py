"""The geometry of charts and time lines: what they show is true, and inside the picture."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console.rendering.axes import count_axis, duration_axis, latency_axis, moments, rate_axis
from api.console.rendering.charts import DAYS, HOUR_HEIGHT, HOURS, day_chart, hour_chart
from api.console.rendering.plots import HEIGHT, STEP, bars, lines
from api.console.rendering.timeline import timeline
from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.model import Attempt, Delivery, DeliveryStatus, Outcome, OutcomeKind
from daemon.store.reads.console_reads import CreditDay, HourCount

NOW = 1_795_494_580_123
THIS_HOUR, TODAY = NOW - NOW % HOUR_MS, NOW - NOW % DAY_MS
BAR = re.compile(r"M(\d+) (\d+)v-(\d+)h(\d+)v(\d+)z")
DELIVERY = Delivery(
    1, "dlv_1", "evt_1", "a.b", "wh_1", "team_1", DeliveryStatus.PENDING, 0, None, NOW, None, None, False
)
counts = st.integers(0, 10**6)


def small_bars(path: str) -> list[tuple[int, int, int]]:
    """Return each bar's left edge, bottom and height."""
    return [(int(x), int(bottom), int(height)) for x, bottom, height, _, _ in BAR.findall(path)]


@given(st.dictionaries(st.integers(0, HOURS - 1), st.tuples(counts, counts)))
def test_every_hour_is_inside_the_picture_and_what_is_there_is_seen(hours: dict[int, tuple[int, int]]) -> None:
    chart = hour_chart([HourCount(THIS_HOUR - ago * HOUR_MS, *count) for ago, count in sorted(hours.items())], NOW)
    succeeded, failed = small_bars(chart.succeeded_path), small_bars(chart.failed_path)
    assert len(failed) == sum(1 for _, many in hours.values() if many)
    low = {x: height for x, _, height in succeeded}
    for x, bottom, height in (*succeeded, *failed):
        assert 0 <= x <= 115
        assert 2 <= height <= bottom <= HOUR_HEIGHT
    assert all(bottom == HOUR_HEIGHT - low.get(x, 0) for x, bottom, _ in failed), "they stand upon the succeeded ones"


@pytest.mark.parametrize(
    ("succeeded", "failed", "rate"),
    [(0, 0, ""), (1, 0, "100 %"), (0, 3, "0 %"), (1, 1, "50 %"), (99_999, 1, "99.9 %"), (2, 1, "66.6 %")],
)
def test_a_rate_is_never_rounded_up_to_all(succeeded: int, failed: int, rate: str) -> None:
    assert hour_chart([HourCount(THIS_HOUR, succeeded, failed)], NOW).rate == rate


def test_a_month_has_every_day_the_last_is_today_and_gaps_are_nothing() -> None:
    chart = day_chart([CreditDay(TODAY, 10), CreditDay(TODAY - 3 * DAY_MS, 40)], NOW)
    assert len(chart.days) == DAYS
    assert [day.consumed for day in chart.days[-4:]] == [40, 0, 0, 10]
    assert (chart.highest, chart.total, chart.days[-1].day) == (40, 50, TODAY)
    assert chart.plot.axis.words == ("0", "10", "20", "30", "40")
    assert heights(chart.plot.paths["consumed"]) == [HEIGHT, HEIGHT // 4]
    assert day_chart([], NOW).plot.paths == {"consumed": ""}


def heights(path: str) -> list[int]:
    """Return how high each bar of a plot is."""
    return [int(bottom) - int(top) for bottom, top in re.findall(r"M\d+ (\d+)V(\d+)", path)]


@given(st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=30))
def test_bars_stand_upon_each_other_inside_their_plot_and_what_is_there_is_seen(
    steps: list[tuple[int, int, int]],
) -> None:
    low, middle, top = (list(series) for series in zip(*steps, strict=True))
    plot = bars({"low": low, "middle": middle, "top": top}, count_axis(max(map(sum, steps))))
    assert plot.width == len(steps) * STEP
    stands_at = dict.fromkeys(range(len(steps)), HEIGHT)
    for name, series in (("low", low), ("middle", middle), ("top", top)):
        found = re.findall(r"M(\d+) (\d+)V(\d+)", plot.paths[name])
        assert [int(x) // STEP for x, _, _ in found] == [place for place, value in enumerate(series) if value]
        for x, bottom, end in found:
            assert int(bottom) == stands_at[int(x) // STEP]
            assert 0 <= int(end) < int(bottom)
            stands_at[int(x) // STEP] = int(end)


def test_a_line_is_interrupted_where_nothing_is_known_and_a_lone_point_is_seen() -> None:
    plot = lines({"first": [0, 50, None, 100, None, None, 0, 100]}, count_axis(100))
    assert plot.paths["first"] == f"M5 {HEIGHT}L15 {HEIGHT // 2}M35 0h.1M65 {HEIGHT}L75 0"
    assert plot.grid == "".join(f"M0 {HEIGHT * place // 5}h80" for place in range(6))


@given(st.integers(0, 10**9))
def test_an_axis_of_numbers_is_round_and_reaches_to_the_highest(highest: int) -> None:
    axis = count_axis(highest)
    values = [int(words.replace(",", "")) for words in axis.words]
    assert 2 <= len(values) <= 6
    assert values[-1] == axis.highest >= highest
    assert values == [values[1] * place for place in range(len(values))]
    assert str(values[1]).rstrip("0") in {"1", "2", "5"}


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        (rate_axis(0), ("0", "0.2", "0.4", "0.6", "0.8", "1")),
        (rate_axis(0.03), ("0", "0.01", "0.02", "0.03")),
        (rate_axis(1_234.5), ("0", "500", "1,000", "1,500")),
        (duration_axis(0), ("0", "1 ms")),
        (duration_axis(1_900), ("0", "500 ms", "1 s", "1.5 s", "2 s")),
        (duration_axis(90_000), ("0", "30 s", "1 min", "1 min 30 s")),
        (duration_axis(5 * HOUR_MS), ("0", "1 h", "2 h", "3 h", "4 h", "5 h")),
        (duration_axis(40 * HOUR_MS), ("0", "12 h", "1 day", "1 day 12 h", "2 days")),
        (latency_axis(0.4, 3), ("0.1 ms", "1 ms", "10 ms")),
        (latency_axis(0, 0), ("0.1 ms", "1 ms")),
        (latency_axis(74, 310), ("10 ms", "100 ms", "1 s")),
        (latency_axis(10, 10_000), ("10 ms", "100 ms", "1 s", "10 s")),
    ],
)
def test_the_values_of_an_axis_are_round(axis: object, words: tuple[str, ...]) -> None:
    assert getattr(axis, "words") == words  # noqa: B009 - of any kind of axis


def test_times_are_round_where_the_browser_is_also_when_its_clock_is_set() -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = round(datetime(2026, 10, 24, 20, tzinfo=zone).timestamp() * 1000)  # at three it is two again
    found = moments(first, first + DAY_MS, every=timedelta(hours=6), zone=zone, form="time")
    assert [moment.words for moment in found] == ["00:00", "06:00", "12:00", "18:00"]
    assert [moment.at for moment in found] == [round(100 * hours / 24, 2) for hours in (4, 11, 17, 23)]
    days = moments(first - 6 * DAY_MS, first, every=timedelta(days=1), zone=zone, form="day")
    assert [(moment.words, moment.minor) for moment in days[:3]] == [
        ("20 Oct", False),
        ("21 Oct", True),
        ("22 Oct", False),
    ]


def attempts_of(*begun_and_lasted: tuple[int, int]) -> list[Attempt]:
    outcome = Outcome(OutcomeKind.HTTP_ERROR, 0, 500, (), b"")
    return [
        Attempt(number, NOW + begun, replace(outcome, duration_ms=lasted))
        for number, (begun, lasted) in enumerate(begun_and_lasted, 1)
    ]


def test_a_time_line_shows_attempts_waits_and_the_next_one_against_the_clock() -> None:
    delivery = replace(DELIVERY, created_at=NOW - 5_000, next_attempt_at=NOW + 10_000)
    shown = timeline(delivery, attempts_of((0, 1_000), (2_000, 1_000)))
    assert shown is not None
    [first, second] = shown.rows
    assert (first.span.start, first.span.width, first.wait) == (0, 10, None)
    assert second.wait is not None
    assert (second.wait.start, second.wait.width, second.wait.duration_ms) == (10, 10, 1_000)
    assert second.span.start == 20
    assert shown.next_wait is not None
    assert (shown.next_wait.start, shown.next_wait.width) == (30, 70)
    assert (shown.queued_ms, shown.total_ms) == (5_000, 3_000)
    assert [(tick.at, tick.offset_ms) for tick in shown.ticks] == [(20 * n, 2_000 * n) for n in range(6)]
    assert timeline(delivery, []) is None


@given(st.lists(st.tuples(st.integers(-(10**6), 10**12), st.integers(0, 10**7)), min_size=1, max_size=10))
def test_a_time_line_stays_inside_its_picture_whatever_the_clock_did(begun_and_lasted: list[tuple[int, int]]) -> None:
    shown = timeline(DELIVERY, attempts_of(*begun_and_lasted))
    assert shown is not None
    spans = [span for row in shown.rows for span in (row.span, row.wait) if span is not None]
    assert all(0 <= span.start <= 100 and span.width >= 0 and span.start + span.width <= 100.01 for span in spans)
    assert 1 <= len(shown.ticks) <= 7
    assert [tick.at for tick in shown.ticks] == sorted({tick.at for tick in shown.ticks})
