"""Signing in with an API key, and out."""

import re
from http import HTTPStatus

from quart import Request, Response

from api.console.session.entrance import clear_session, is_secure, set_session
from api.console.session.forms import read_form
from api.console.session.guard import is_sent_in_the_clear, require_own_origin
from api.console.session.page_request import Desk, Visit, address, html, see_other
from api.console.session.sessions import COOKIE

_WRONG_KEY = "This key is not valid: check that you copied it whole, or ask the operator whether it was revoked."
_IN_THE_CLEAR = (
    "Your browser keeps no session here: public_url is {0}, so its cookie is for https only, and this page came over "
    "plain http. Open {0}/console/ instead, or have the operator correct public_url."
)
_OWN_PAGE = re.compile(r"/console/[!-\[\]-~]{0,1000}", re.ASCII)  # visible characters but the backslash


async def show_sign_in(desk: Desk, request: Request) -> Response:
    """Show the form; who has signed in goes on."""
    if desk.sessions.read(request.cookies.get(COOKIE)) is not None:
        return see_other(_next(str(request.args.get("next", ""))))
    return await _form(desk, _next(str(request.args.get("next", ""))))


async def sign_in(desk: Desk, request: Request) -> Response:
    """Begin a session, and go on to the page that asked for it."""
    require_own_origin(request, desk.handles.settings.public_url)
    form = await read_form(request)
    key, next_page = form.text("key"), _next(form.text("next"))
    signed_in = desk.sessions.sign_in(key)
    if signed_in is None:
        desk.handles.log.debug("console_sign_in_refused")
        mistake = _WRONG_KEY if key else "Enter an API key."
        return await _form(desk, next_page, mistake, HTTPStatus.UNPROCESSABLE_ENTITY)
    if is_secure(desk) and is_sent_in_the_clear(request):
        mistake = _IN_THE_CLEAR.format(desk.handles.settings.public_url)
        return await _form(desk, next_page, mistake, HTTPStatus.UNPROCESSABLE_ENTITY)
    desk.handles.log.info("console_signed_in", keyId=signed_in.principal.key_id, teamId=signed_in.principal.team_id)
    response = see_other(next_page)
    set_session(desk, response, signed_in.session)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await visit.desk.sessions.end(visit.session, visit.call.principal.key_id)
    visit.handles.log.info("console_signed_out", keyId=visit.call.principal.key_id)
    response = see_other(address("sign-in"))
    clear_session(response)
    return response


async def _form(desk: Desk, next_page: str, mistake: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    now = desk.handles.now_ms()
    text = await desk.templates.render("sign_in.html", now, next_page=next_page, mistake=mistake)
    return html(text, status)


def _next(wanted: str) -> str:
    """Return a page of our own to go on to: never another site's, whatever the address says."""
    return wanted if _OWN_PAGE.fullmatch(wanted) and "//" not in wanted else address()
