"""Durations for people."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(duration_ms: int) -> str:
    """Return a duration: `185 ms`, `1.25 s`, `2 min 5 s`, `3 h 4 min`, `2 days 5 h`."""
    seconds = duration_ms / 1000
    if duration_ms < 1000:
        return f"{duration_ms} ms"
    if seconds < _MINUTE:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    if seconds < _HOUR:
        return _two(seconds, _MINUTE, large_name="min", small=1, small_name="s")
    if seconds < _DAY:
        return _two(seconds, _HOUR, large_name="h", small=_MINUTE, small_name="min")
    return _two(seconds, _DAY, large_name="days" if seconds >= 2 * _DAY else "day", small=_HOUR, small_name="h")


def short_duration(duration_ms: float) -> str:
    """Return a duration that may be short: `0.4 ms`, `2.75 ms`, then as `duration`."""
    return duration(round(duration_ms)) if duration_ms >= 10 else f"{duration_ms:.2f}".rstrip("0").rstrip(".") + " ms"


def _two(seconds: float, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = int(seconds % large) // small
    return f"{int(seconds) // large} {large_name}" + (f" {rest} {small_name}" if rest else "")
