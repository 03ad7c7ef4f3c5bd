"""How this browser shows the console: theme, time zone and shortcuts."""

from dataclasses import replace
from http import HTTPStatus

from quart import Response

from api.console.rendering.look import Look, Theme, read_theme
from api.console.session.access import set_look
from api.console.session.page_request import PageRequest, address
from daemon.domain.time_zones import find_zone, zone_names

_UNKNOWN_ZONE = "Choose one of the time zones in the list."
_THEMES = {Theme.SYSTEM: "As the system", Theme.LIGHT: "Light", Theme.DARK: "Dark"}


async def show_preferences(request: PageRequest) -> Response:
    """Show the form."""
    return await _show(request, {})


async def save(request: PageRequest) -> Response:
    """Have the browser keep the choice."""
    name = request.form.text("zone")
    zone = await request.call.run_in_thread(lambda: find_zone(name))
    if zone is None and name:
        return await _show(request, {"zone": _UNKNOWN_ZONE})
    response = request.done(address("preferences"), "preferences-saved")
    theme, shortcuts = read_theme(request.form.text("theme")), request.form.has("shortcuts")
    look = Look(theme, shortcuts=shortcuts)
    if zone is not None:
        look = replace(look, zone_name=name, zone=zone, has_own_zone=True)
    set_look(request.cookies, response, look)
    return response


async def _show(request: PageRequest, mistakes: dict[str, str]) -> Response:
    zones = await request.call.run_in_thread(zone_names)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK
    return await request.page("preferences.html", status, zones=zones, themes=_THEMES, mistakes=mistakes)
