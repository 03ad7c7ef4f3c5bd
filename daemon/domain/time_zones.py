"""Time zones by their IANA names, such as Europe/Berlin. They are files: ask in a thread."""

import re
from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

LONGEST_NAME = 60
_ZONE = re.compile(r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[\w/+-]{1,40}")


def is_zone_name(text: str) -> bool:
    """Whether a time zone could be called so."""
    return text == "UTC" or _ZONE.fullmatch(text) is not None


def find_zone(name: str) -> tzinfo | None:
    """Return the time zone of this name, None if the machine has none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name) if _ZONE.fullmatch(name) else None
    except (LookupError, OSError, ValueError):
        return None


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names of the time zones that the machine has, UTC first."""
    return ("UTC", *sorted(name for name in available_timezones() if _ZONE.fullmatch(name)))
