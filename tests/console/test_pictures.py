"""The geometry of charts and time lines: what they show is true, and inside the picture."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console.rendering.charts import DAY_HEIGHT, DAYS, HOUR_HEIGHT, HOURS, day_chart, hour_chart
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


def bars(path: str) -> list[tuple[int, int, int]]:
    """Return each bar's left edge, bottom and height."""
    return [(int(x), int(bottom), int(height)) for x, bottom, height, _, _ in BAR.findall(path)]


@given(st.dictionaries(st.integers(0, HOURS - 1), st.tuples(counts, counts)))
def test_every_hour_is_inside_the_picture_and_what_is_there_is_seen(hours: dict[int, tuple[int, int]]) -> None:
    chart = hour_chart([HourCount(THIS_HOUR - ago * HOUR_MS, *count) for ago, count in sorted(hours.items())], NOW)
    succeeded, failed = bars(chart.succeeded_path), bars(chart.failed_path)
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
    assert [height for _, _, height in bars(chart.path)] == [DAY_HEIGHT, DAY_HEIGHT // 4]
    assert day_chart([], NOW).path == ""


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
