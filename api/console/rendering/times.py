"""Times for people."""

from datetime import UTC, datetime, tzinfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_RELATIVE_UNTIL_S = 30 * _DAY
_LAST_MS = 253_402_249_599_999  # ten in the morning of the last day of the year 9999: no zone is further on than 14 h


def to_datetime(time_ms: int, zone: tzinfo = UTC) -> datetime:
    """Return milliseconds since the epoch as a time in this zone, limited to the years that `datetime` supports."""
    return datetime.fromtimestamp(min(max(time_ms, 0), _LAST_MS) / 1000, zone)


def exact(time_ms: int, zone: tzinfo = UTC) -> str:
    """Return a time to the millisecond: `24 Nov 2026, 14:03:07.125 UTC`."""
    at = to_datetime(time_ms, zone)
    return f"{at.day} {at:%b %Y, %H:%M:%S}.{time_ms % 1000:03} {_zone(at)}"


def short(time_ms: int, zone: tzinfo = UTC) -> str:
    """Return a time to the minute, without the year: `24 Nov, 14:00`."""
    at = to_datetime(time_ms, zone)
    return f"{at.day} {at:%b, %H:%M}"


def relative(time_ms: int, now: int, zone: tzinfo = UTC) -> str:
    """Return a time relative to now: `5 min ago`, `in 3 s`; the date if it is more than 30 days away."""
    seconds = abs(now - time_ms) // 1000
    if seconds >= _RELATIVE_UNTIL_S:
        at = to_datetime(time_ms, zone)
        return f"{at.day} {at:%b %Y}"
    if seconds < 1:
        return "just now"
    ago = _rounded(seconds)
    return f"in {ago}" if time_ms > now else f"{ago} ago"


def _zone(at: datetime) -> str:
    """Return the zone's short name; many have none but their offset, `+03`."""
    name = at.tzname() or ""
    return name if name[:1].isalpha() else f"UTC{name}"


def _rounded(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h"
    days = seconds // _DAY
    return f"{days} day{'s' if days > 1 else ''}"
