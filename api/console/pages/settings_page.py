"""A team's own settings: its name, time zone and notification addresses and, for its admin, its API keys."""

from http import HTTPStatus

from quart import Response

from api.console.pages.addresses_page import added_address, removed_address, team_addresses
from api.console.pages.team_keys import KEY_MISTAKE, created_key, revoked_key, team_keys
from api.console.pages.teams_page import team_mistakes
from api.console.session.page_request import PageRequest
from api.console.session.refusals import field_mistakes
from api.http.errors import ApiError, Code
from api.http.json_body import validate
from api.routes.teams import TeamChange, change_team
from daemon.domain.time_zones import zone_names

_UNKNOWN_ZONE = "Choose one of the time zones in the list."


async def show_settings(request: PageRequest) -> Response:
    """Show the page."""
    return await _show(request, {})


async def save(request: PageRequest) -> Response:
    """Change the team's name and time zone, or show the mistakes."""
    given = {"name": request.form.text("name"), "timeZone": request.form.text("timeZone") or "UTC"}
    try:
        await change_team(request.call, request.team_id, validate(given, TeamChange, request.call.known))
    except ApiError as error:
        return await _show(request, {**team_mistakes(error), **_zone_mistake(error)})
    return request.done(request.path("settings"), "team-saved")


async def add_address(request: PageRequest) -> Response:
    """Ask an address, or show the mistake."""
    mistakes = await added_address(request)
    if mistakes:
        return await _show(request, mistakes)
    return request.done(request.path("settings"), "address-asked")


async def remove_address(request: PageRequest) -> Response:
    """Remove an address."""
    await removed_address(request)
    return request.done(request.path("settings"), "address-removed")


async def create_key(request: PageRequest) -> Response:
    """Create an API key, and show it once."""
    try:
        made = await created_key(request, request.team_id)
    except ApiError as error:
        if error.code is not Code.INVALID_FIELD:
            raise
        return await _show(request, KEY_MISTAKE)
    return request.with_secret(request.done(request.path("settings"), "key-created"), request.team_id, made.key)


async def revoke_key(request: PageRequest, key_id: str) -> Response:
    """Revoke one of the team's keys."""
    await revoked_key(request, request.team_id, key_id)
    return request.done(request.path("settings"), "key-revoked")


def _zone_mistake(error: ApiError) -> dict[str, str]:
    return {"timeZone": _UNKNOWN_ZONE} if "timeZone" in field_mistakes(error) else {}


async def _show(request: PageRequest, mistakes: dict[str, str]) -> Response:
    assert request.team is not None, "the page has a team"
    # As over the API, a key that only reads sees no keys.
    keys = await team_keys(request, request.team_id, request.path("settings")) if request.may_change else None
    page = await request.page(
        "settings.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK,
        keys=keys,
        team_name=request.form.text("name") if request.form.has("name") else request.team.name,
        addresses=await team_addresses(request),
        zones=await request.call.run_in_thread(zone_names),
        mistakes=mistakes,
    )
    return page if keys is None else request.shown(page, request.team_id, keys.new)
