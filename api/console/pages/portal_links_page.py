"""The portal links of a team, for the operator: who is handed one needs no key."""

import re
from http import HTTPStatus

from quart import Response

from api.console.pages.lists import cursor, position
from api.console.session.page_request import PageRequest, address, with_query
from api.console.session.refusals import field_mistakes, page_not_found
from api.http.errors import ApiError, Code
from api.http.json_body import validate
from api.routes.portal_links import LONGEST_MINUTES, NewPortalLink, create_portal_link, revoke_portal_link
from daemon.store.reads import api_reads

_PAGE = 25
_WHOLE = re.compile("[0-9]{1,9}")
_MISTAKES = {
    "expiresInMinutes": f"Enter a whole number of minutes from 1 to {LONGEST_MINUTES:,}, which is 7 days.",
    "returnUrl": "Enter an address that begins with https://, or nothing.",
}


async def show_links(request: PageRequest, team_id: str) -> Response:
    """Show the links that are not over."""
    return await _show(request, team_id, {})


async def create(request: PageRequest, team_id: str) -> Response:
    """Make a link, and show its address once."""
    minutes, url = request.form.text("expiresInMinutes"), request.form.text("returnUrl")
    given: dict[str, object] = {
        "expiresInMinutes": int(minutes) if _WHOLE.fullmatch(minutes) else None,
        "readOnly": request.form.text("may") == "look",
        "once": request.form.text("signs-in") == "once",
    }
    try:
        body = validate({**given, "returnUrl": url} if url else given, NewPortalLink, request.call.known)
        made = await create_portal_link(request.call, team_id, body)
    except ApiError as error:
        if error.code is not Code.INVALID_FIELD:
            raise
        return await _show(
            request, team_id, {name: _MISTAKES[name] for name in field_mistakes(error) if name in _MISTAKES}
        )
    return request.with_secret(request.done(_path(team_id), "link-made"), _about(team_id), made.url)


async def revoke(request: PageRequest, team_id: str, link_id: str) -> Response:
    """Revoke one of the team's links."""
    link = await request.handles.portal_links.find(link_id)
    if link is None or link.team_id != team_id:
        raise page_not_found()
    await revoke_portal_link(request.call, link_id)
    return request.done(_path(team_id), "link-revoked")


async def _show(request: PageRequest, team_id: str, mistakes: dict[str, str]) -> Response:
    reader = request.handles.reader
    team = await reader.fetch(api_reads.get_team, team_id)
    if team is None:
        raise page_not_found()
    begins = position(request, "portal links", team=team_id)
    found = await reader.fetch(api_reads.live_portal_links, team_id, request.now, _PAGE, begins)
    following = cursor(request, "portal links", found.next_cursor, team=team_id)
    new = request.secret_about(_about(team_id))
    page = await request.page(
        "portal_links.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK,
        shown_team=team,
        links=found.items,
        path=_path(team_id),
        next_page=with_query(_path(team_id), cursor=following) if following else "",
        first_page=_path(team_id) if request.query("cursor") else "",
        new=new,
        mistakes=mistakes,
    )
    return request.shown(page, _about(team_id), new)


def _path(team_id: str) -> str:
    return address("teams", team_id, "portal-links")


def _about(team_id: str) -> str:
    """Return what the page is about: not the team's page, which shows a new key of the same team."""
    return f"portal links of {team_id}"
