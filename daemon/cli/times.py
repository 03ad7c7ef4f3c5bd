"""Times on the command line: RFC 3339, as the API has them, or an age such as `90s`, `15m`, `2h`, `7d`."""

import re
from datetime import UTC, datetime

from daemon.cli.exits import CommandError, ExitCode
from daemon.domain.ages import parse_age

_LEAP_SECOND = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d):60(.*)", re.ASCII)


def parse_time(text: str, now: datetime | None = None) -> datetime:
    """Return the time that `text` names: RFC 3339 (UTC where it has no offset), or an age before `now`.

    Raises CommandError (USAGE) on anything else.
    """
    if (age := parse_age(text)) is not None:
        return (now or datetime.now(UTC)) - age
    try:
        time = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59\2", text.upper()))
        if time.tzinfo:
            time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(
            f"{text}: not a time: give 2025-07-15T10:30:00Z, or an age such as 15m, 2h or 7d.", ExitCode.USAGE
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def to_rfc3339(time: datetime) -> str:
    """Return the time as the API writes it: `2025-07-15T10:30:00.000Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def api_time(text: str | None) -> str | None:
    """Return what an option gave (see `parse_time`) as the API writes it; None stays None.

    A leap second (RFC 3339, 5.7) is for the API to judge.
    """
    return text if text is None or _LEAP_SECOND.fullmatch(text) else to_rfc3339(parse_time(text))


def api_time_ahead(text: str | None) -> str | None:
    """Return what an option gave as the API writes it: a time, or how long from now, such as `2h`; None stays None."""
    ahead = None if text is None else parse_age(text)
    return api_time(text) if ahead is None else to_rfc3339(datetime.now(UTC) + ahead)


def resume_time(for_time: str | None, until: str | None) -> str | None:
    """Return when a webhook resumes by itself, as the API takes it, by one of two options; None without both.

    Raises CommandError (USAGE) on both, and on anything that is no age, or no time.
    """
    if for_time is not None and until is not None:
        raise CommandError("--for and --until exclude each other: give one.", ExitCode.USAGE)
    if for_time is not None and parse_age(for_time) is None:
        raise CommandError(f"{for_time}: not a length of time: give 15m, 2h or 7d.", ExitCode.USAGE)
    if until is not None and parse_age(until) is not None:
        raise CommandError(f"{until}: not a time: give 2025-07-15T10:30:00Z, or --for {until}.", ExitCode.USAGE)
    return for_time or api_time(until)
