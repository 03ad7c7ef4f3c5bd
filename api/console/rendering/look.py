"""How a browser shows the console: its theme, time zone and shortcuts, chosen on the page of preferences.

They are in a cookie. It is not signed: whatever it says, it is one of what there is to choose, or the default.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from daemon.actors.threads import RunInThread

_ZONE = re.compile(r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[\w/+-]{1,40}")
_NO_SHORTCUTS = "no-keys"


class Theme(StrEnum):
    """Light, dark, or as the system is."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Look:
    """A browser's theme, the time zone in which it shows times and takes them, and whether keys are shortcuts."""

    theme: Theme = Theme.SYSTEM
    zone_name: str = "UTC"
    zone: tzinfo = UTC
    shortcuts: bool = True

    @property
    def cookie(self) -> str:
        """The cookie's value."""
        return f"{self.theme}.{'keys' if self.shortcuts else _NO_SHORTCUTS}.{self.zone_name}"


def read_theme(cookie: str) -> Theme:
    """Return the theme that a cookie names, else the system's."""
    word = cookie.partition(".")[0]
    return Theme(word) if word in set(Theme) else Theme.SYSTEM


async def read_look(cookie: str, run_in_thread: RunInThread) -> Look:
    """Return what a cookie says, the default for what is none. Zones are files: a thread reads them."""
    _, shortcuts, zone_name = (*cookie.split(".", 2), "", "", "")[:3]
    look = Look(read_theme(cookie), shortcuts=shortcuts != _NO_SHORTCUTS)
    zone = await run_in_thread(lambda: find_zone(zone_name)) if _ZONE.fullmatch(zone_name) else None
    return look if zone is None else replace(look, zone_name=zone_name, zone=zone)


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
