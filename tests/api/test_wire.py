"""Times as text."""

import pytest

from api.http.wire import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2025-07-15T10:30:00Z", "2025-07-15T10:30:00.000Z"),
        ("2025-07-15t10:30:00.123456789z", "2025-07-15T10:30:00.123Z"),
        ("2025-07-15T10:30:00.12345678901234567890Z", "2025-07-15T10:30:00.123Z"),
        ("2025-07-15T12:30:00+02:00", "2025-07-15T10:30:00.000Z"),
        ("2025-07-15T10:30:00-00:00", "2025-07-15T10:30:00.000Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("0001-01-02T00:00:00+23:59", "0001-01-01T00:01:00.000Z"),
    ],
)
def test_times_are_taken_with_any_offset_and_shown_in_utc(text: str, shown: str) -> None:
    assert format_time(parse_time(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2025-07-15",
            "2025-07-15 10:30:00Z",
            "2025-07-15T10:30:00",
            "20250715T103000Z",
            "2025-W29-2T10:30:00Z",
        ),
        *("2025-02-30T10:30:00Z", "2025-07-15T25:30:00Z", "2025-07-15T10:30:00,5Z", "2025-07-15T10:30:00Z\n"),
        *("\N{ARABIC-INDIC DIGIT TWO}025-07-15T10:30:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"),
        *("2025-07-15T10:30:00+05:60", "2025-07-15T10:30:00+24:00", "2025-07-15T10:30:00.Z"),
        *(1752575400, None),
    ],
)
def test_what_is_no_rfc_3339_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
        ("2016-12-31T23:59:60.25Z", "2016-12-31T23:59:59.999Z"),
        ("2017-01-01T05:29:60+05:30", "2016-12-31T23:59:59.999Z"),
    ],
)
def test_a_leap_second_is_the_last_millisecond_of_its_day(text: str, shown: str) -> None:
    assert format_time(parse_time(text)) == shown


@pytest.mark.parametrize(
    "text", ["2016-12-30T23:59:60Z", "2016-12-31T22:59:60Z", "2016-12-31T23:59:61Z", "9999-12-31T23:59:60Z"]
)
def test_a_second_60_where_none_can_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        parse_time(text)
