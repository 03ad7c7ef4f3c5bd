"""The times of a filter and of forms, in the time zone that the browser has chosen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType

from api.console.session.page_request import PageRequest
from daemon.domain.clock import DAY_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The format of <input type="datetime-local">.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
EXPECTED_TIME = "Enter a date and a time, such as 2026-11-24T14:30."
INVERTED = "This is before the time in From."
_EITHER = "Choose a period, or enter From and To: not both."
_UNKNOWN_PERIOD = "Choose one of the periods in the list."
PERIODS: Mapping[str, str] = MappingProxyType({"1h": "Last hour", "24h": "Last day", "7d": "Last week"})
_LENGTHS_MS: Mapping[str, int] = MappingProxyType({"1h": 3_600_000, "24h": DAY_MS, "7d": 7 * DAY_MS})
WINDOW_FIELDS = ("period", "since", "until")


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when (ms; None: no limit), and the mistakes in the fields that say so."""

    since: int | None
    until: int | None
    mistakes: Mapping[str, str]


def read_window(request: PageRequest, given: Mapping[str, str]) -> Window:
    """Return what the fields `period`, `since` and `until` mean."""
    zone, period = request.look.zone, given["period"]
    since, until = parse_form_time(given["since"], zone), until_end_of(given["until"], zone)
    times = (("since", since), ("until", until))
    mistakes = {name: EXPECTED_TIME for name, time in times if given[name] and time is None}
    if since is not None and until is not None and until < since:
        mistakes["until"] = INVERTED
    if period and period not in PERIODS:
        mistakes["period"] = _UNKNOWN_PERIOD
    elif period and (given["since"] or given["until"]):
        mistakes["period"] = _EITHER
    elif period:
        since = request.now - _LENGTHS_MS[period]
    return Window(since, until, mistakes)


def parse_form_time(text: str, zone: tzinfo = UTC) -> int | None:
    """Return the milliseconds of what <input type="datetime-local"> sends, in this zone; None if it is not a time."""
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):  # the second one: in UTC it is not in the years 1 to 9999
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def until_end_of(text: str, zone: tzinfo = UTC) -> int | None:
    """Return the last millisecond that a time means: until 14:30 means until the end of that minute."""
    time = parse_form_time(text, zone)
    return None if time is None else time + _precision_ms(text) - 1


def _precision_ms(text: str) -> int:
    return 60_000 if text.count(":") == 1 else 1_000 if "." not in text else 1
