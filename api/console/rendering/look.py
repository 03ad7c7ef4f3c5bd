"""How a browser shows the console: its theme, time zone and shortcuts, chosen on the page of preferences.

They are in a cookie. It is not signed: whatever it says, it is one of what there is to choose, or the default.
"""

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from enum import StrEnum

from daemon.actors.threads import RunInThread
from daemon.domain.time_zones import find_zone, is_zone_name

_NO_SHORTCUTS = "no-keys"


class Theme(StrEnum):
    """Light, dark, or as the system is."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Look:
    """A browser's theme, the time zone in which it shows times and takes them, and whether keys are shortcuts.

    Without `has_own_zone` nobody has chosen the zone in this browser: it is the team's.
    """

    theme: Theme = Theme.SYSTEM
    zone_name: str = "UTC"
    zone: tzinfo = UTC
    shortcuts: bool = True
    has_own_zone: bool = False

    @property
    def cookie(self) -> str:
        """The cookie's value."""
        own_zone = self.zone_name if self.has_own_zone else ""
        return f"{self.theme}.{'keys' if self.shortcuts else _NO_SHORTCUTS}.{own_zone}"


def read_theme(cookie: str) -> Theme:
    """Return the theme that a cookie names, else the system's."""
    word = cookie.partition(".")[0]
    return Theme(word) if word in set(Theme) else Theme.SYSTEM


async def read_look(cookie: str, run_in_thread: RunInThread, usual_zone: str = "UTC") -> Look:
    """Return what a cookie says, the default for what is none: `usual_zone` is the team's."""
    _, shortcuts, own_zone = (*cookie.split(".", 2), "", "", "")[:3]
    look = Look(read_theme(cookie), shortcuts=shortcuts != _NO_SHORTCUTS)
    for name in (own_zone, usual_zone):
        zone = UTC if name == "UTC" else await _zone(name, run_in_thread)
        if zone is not None:
            return replace(look, zone_name=name, zone=zone, has_own_zone=name == own_zone)
    return look


async def _zone(name: str, run_in_thread: RunInThread) -> tzinfo | None:
    return await run_in_thread(lambda: find_zone(name)) if is_zone_name(name) else None
