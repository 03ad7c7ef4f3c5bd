"""Signing in with an API key, and out."""

import re
from http import HTTPStatus

from quart import Request, Response

from api.console.rendering.look import Look, read_theme
from api.console.session.access import LOOK_COOKIE, clear_session, session_of, set_session
from api.console.session.csrf import is_plain_http, require_own_origin
from api.console.session.forms import read_form
from api.console.session.page_request import ConsoleContext, PageRequest, address, html, see_other
from api.console.session.refusals import Refused
from api.http.auth import find_newest
from daemon.domain.model import KeyRole

_WRONG_KEY = "This key is not valid: check that you copied it whole, or ask the operator whether it was revoked."
_SUBMITS_ONLY = "This key may only submit events: sign in with one whose role is admin or read."
_PLAIN_HTTP = (
    "Your browser keeps no session here: public_url is {0}, so the session's cookie is for https only, and this page "
    "came over plain http. Open {0}/console/ instead, or have the operator correct public_url."
)
_IN_FRAME = "Keys are not for frames: open the console in a window of its own."
_OWN_PAGE = re.compile(r"/console/[!-\[\]-~]{0,1000}", re.ASCII)  # visible characters but the backslash
_STEP_UP = re.compile(r"/(?:\.|%2e){2}(?:[/?#]|$)", re.IGNORECASE)  # browsers take it, and leave the console


async def show_sign_in(context: ConsoleContext, request: Request) -> Response:
    """Show the form, or redirect a signed-in user to the next page."""
    next_page = next_page_of(str(request.args.get("next", "")))
    if await session_of(context, request) is not None:
        return see_other(next_page)
    return await _form(context, request, next_page)


async def sign_in(context: ConsoleContext, request: Request) -> Response:
    """Begin a session, and redirect to the page that required it. Raises ApiError (429) beyond the key's rate limit."""
    require_own_origin(request, context.handles.settings.public_url)
    cookies = context.cookies_of(request)
    if cookies.in_frame:
        raise Refused(HTTPStatus.FORBIDDEN, _IN_FRAME)
    form = await read_form(request)
    key, next_page = form.text("key"), next_page_of(form.text("next"))
    await find_newest(context.handles, key)
    signed_in = context.sessions.sign_in(key)
    if signed_in is None:
        context.handles.log.debug("console_sign_in_refused")
        mistake = _WRONG_KEY if key else "Enter an API key."
        return await _form(context, request, next_page, mistake=mistake, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    context.take_token(signed_in.principal)
    submits_only = _SUBMITS_ONLY if signed_in.principal.role is KeyRole.SUBMIT else None
    if (mistaken := submits_only or obstacle(context, request)) is not None:
        return await _form(context, request, next_page, mistake=mistaken, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    context.handles.log.info("console_signed_in", keyId=signed_in.principal.key_id, teamId=signed_in.principal.team_id)
    response = see_other(next_page)
    set_session(context, cookies, response=response, session=signed_in.session)
    return response


async def sign_out(request: PageRequest) -> Response:
    """End the session."""
    await request.context.sessions.end(request.session, request.call.principal.key_id)
    request.handles.log.info("console_signed_out", keyId=request.call.principal.key_id)
    # The page to sign in with a key is shown in no frame.
    response = see_other(address("portal" if request.cookies.in_frame else "sign-in"))
    clear_session(request.cookies, response)
    return response


def obstacle(context: ConsoleContext, request: Request) -> str | None:
    """Return why the browser would keep no session, None if it does."""
    if context.handles.settings.has_tls_before_it and is_plain_http(request):
        return _PLAIN_HTTP.format(context.handles.settings.public_url)
    return None


async def _form(
    context: ConsoleContext, request: Request, next_page: str, mistake: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    now, look = context.handles.now_ms(), Look(read_theme(context.cookies_of(request).find(LOOK_COOKIE) or ""))
    text = await context.templates.render("sign_in.html", now, look, next_page=next_page, mistake=mistake)
    return html(text, status)


def next_page_of(wanted: str) -> str:
    """Return the page to redirect to: one of ours, whatever the query says."""
    is_ours = _OWN_PAGE.fullmatch(wanted) and "//" not in wanted and not _STEP_UP.search(wanted)
    return wanted if is_ours else address()
