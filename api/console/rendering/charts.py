"""The charts of hours, small ones with at most two paths each, so that a list of them stays small, and of days."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from api.console.rendering.axes import count_axis, moments
from api.console.rendering.plots import Plot, bars
from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.store.reads.console_reads import CreditDay, HourCount

HOURS, DAYS = 24, 30
HOUR_STEP, HOUR_BAR, HOUR_HEIGHT = 5, 4, 24
_MIN_HEIGHT = 2


@dataclass(frozen=True, slots=True)
class HourChart:
    """How a webhook's deliveries ended in the last 24 hours: one bar an hour, failed on top of succeeded."""

    succeeded: int
    failed: int
    succeeded_path: str
    failed_path: str

    @property
    def ended(self) -> int:
        """How many succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def rate(self) -> str:
        """The share that succeeded, such as `99.5 %`, rounded down; "" without deliveries."""
        if not self.ended:
            return ""
        per_mille = self.succeeded * 1000 // self.ended
        return f"{per_mille // 10} %" if per_mille % 10 == 0 else f"{per_mille / 10:.1f} %"


@dataclass(frozen=True, slots=True)
class DayChart:
    """Credits consumed a day, for the 30 days up to today; `highest` is the most of one day."""

    days: tuple[CreditDay, ...]
    plot: Plot
    highest: int
    total: int


def hour_chart(hours: Sequence[HourCount], now: int) -> HourChart:
    """Return the chart of the 24 hours that end with the current one."""
    first = now // HOUR_MS - HOURS + 1
    highest = max((hour.succeeded + hour.failed for hour in hours), default=0)
    succeeded, failed = [], []
    for hour in hours:
        x = (hour.hour // HOUR_MS - first) * HOUR_STEP
        top = min(_height(hour.failed, highest, HOUR_HEIGHT), HOUR_HEIGHT - (_MIN_HEIGHT if hour.succeeded else 0))
        low = min(_height(hour.succeeded, highest, HOUR_HEIGHT), HOUR_HEIGHT - top)
        succeeded.append(_bar(x, HOUR_HEIGHT, height=low, width=HOUR_BAR))
        failed.append(_bar(x, HOUR_HEIGHT - low, height=top, width=HOUR_BAR))
    return HourChart(
        sum(hour.succeeded for hour in hours),
        sum(hour.failed for hour in hours),
        succeeded_path="".join(succeeded),
        failed_path="".join(failed),
    )


def day_chart(days: Iterable[CreditDay], now: int) -> DayChart:
    """Return the chart of the 30 days that end with today (UTC)."""
    today = now // DAY_MS
    consumed = {day.day // DAY_MS: day.consumed for day in days}
    shown = tuple(CreditDay(day * DAY_MS, consumed.get(day, 0)) for day in range(today - DAYS + 1, today + 1))
    highest = max(day.consumed for day in shown)
    consumed_each = {"consumed": [day.consumed for day in shown]}
    until = (today + 1) * DAY_MS
    times = moments(shown[0].day, until, every=timedelta(days=5), zone=UTC, form="day")
    plot = bars(consumed_each, count_axis(highest), times)
    return DayChart(shown, plot, highest=highest, total=sum(day.consumed for day in shown))


def _height(count: int, highest: int, full: int) -> int:
    """Return a bar's height; a count above 0 is always visible."""
    return max(_MIN_HEIGHT, round(count * full / highest)) if count > 0 else 0


def _bar(x: int, bottom: int, height: int, width: int) -> str:
    return f"M{x} {bottom}v-{height}h{width}v{height}z" if height else ""
