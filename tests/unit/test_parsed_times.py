"""Whatever is given as a time is one or is refused, wherever times are read: no text is a fault of ours."""

from collections.abc import Callable
from contextlib import suppress
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.console.pages.time_window import parse_form_time, until_end_of
from api.http.wire import format_time, moment_ms, parse_moment
from daemon.cli.exits import CommandError
from daemon.cli.log_filter import LogFilter
from daemon.cli.times import api_time, parse_time, resume_time

EARLIEST_MS, LATEST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999 in UTC
ZONES = [ZoneInfo(name) for name in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Amsterdam")]

_TWO = st.integers(0, 99).map("{:02}".format)
_YEARS = st.sampled_from(["0000", "0001", "1969", "1970", "2026", "9999"]) | st.integers(0, 9999).map("{:04}".format)
_DATES = st.builds("{}-{}-{}".format, _YEARS, st.sampled_from(["01", "02", "12"]), st.sampled_from(["01", "29", "31"]))
_CLOCKS = st.builds("{}:{}".format, st.sampled_from(["00", "12", "23", "24"]), st.sampled_from(["00", "59", "60"]))
_SECONDS = st.sampled_from(["", ":00", ":59", ":60", ":59.9", ":59.999", ":00.0019999999"])
_OFFSETS = st.sampled_from(["", "Z", "z"]) | st.builds("{}{}:{}".format, st.sampled_from("+-"), _TWO, _TWO)
_LIKE_TIMES = st.builds("{}{}{}{}{}".format, _DATES, st.sampled_from("Tt "), _CLOCKS, _SECONDS, _OFFSETS)
TEXTS = _LIKE_TIMES | st.builds("{}{}".format, st.integers(0, 10**6), st.sampled_from("smhd")) | st.text(max_size=30)


@given(TEXTS, st.sampled_from(ZONES))
@example("0001-01-01T00:00", ZONES[1])
@example("9999-12-31T23:59", ZONES[2])
def test_a_form(text: str, zone: ZoneInfo) -> None:
    for read in (parse_form_time, until_end_of):
        time = read(text, zone)
        assert time is None or EARLIEST_MS <= time <= LATEST_MS
        assert time is None or format_time(time)


@given(TEXTS)
def test_the_api(text: str) -> None:
    with suppress(ValueError):
        time = moment_ms(parse_moment(text), now_ms=1_800_000_000_000)
        assert time is not None
        assert EARLIEST_MS <= time <= LATEST_MS
        assert format_time(time)


@pytest.mark.parametrize("read", [api_time, lambda text: resume_time(None, text), lambda text: resume_time(text, None)])
@given(text=TEXTS)
def test_the_command_line(read: Callable[[str], str | None], text: str) -> None:
    with suppress(CommandError):
        read(text)


@given(TEXTS, TEXTS)
def test_the_filter_of_the_log(since: str, stamped: str) -> None:
    with suppress(CommandError):
        wanted = LogFilter(since=parse_time(since))
        assert wanted.passes({"timestamp": stamped}) in (True, False)
