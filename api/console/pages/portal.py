"""Signing in with a portal link (contract "Portal links").

The token is behind the `#` of the link: browsers send it to nobody, so that it is in no log and no Referer. The page is
the same for every link, and only its button signs in: a mail client that looks at the link uses up nothing.
"""

from http import HTTPStatus

from quart import Request, Response

from api.console.pages.sign_in import next_page_of, obstacle
from api.console.rendering.look import Look, read_theme
from api.console.session.access import LOOK_COOKIE, set_session
from api.console.session.csrf import require_own_origin
from api.console.session.forms import read_form
from api.console.session.page_request import ConsoleContext, html, see_other
from api.console.session.sessions import principal_of
from api.http.peers import peer_address

_OVER = "This link is not valid: it was used, was revoked or has expired. Ask whoever gave it to you for a new one."


async def show_portal(context: ConsoleContext, request: Request) -> Response:
    """Show the button. It does not look at any link."""
    return await _form(context, request, next_page_of(str(request.args.get("next", ""))))


async def enter_portal(context: ConsoleContext, request: Request) -> Response:
    """Begin a session of the link, in the place of any other, and redirect to the page that it is for.

    Raises ApiError (429) beyond the link's rate limit: each sign-in is a write.
    """
    require_own_origin(request, context.handles.settings.public_url)
    form = await read_form(request)
    next_page, token = next_page_of(form.text("next")), form.text("link").rpartition("#")[2]
    if (mistake := obstacle(context, request)) is not None:
        return await _form(context, request, next_page=next_page, mistake=mistake)
    links = context.handles.portal_links
    link = await links.of_token(token)
    if link is not None:
        context.take_token(principal_of(link))
    if link is None or not await links.use(link, peer_address(request)):
        context.handles.log.debug("portal_link_refused")
        return await _form(context, request, next_page=next_page, mistake=_OVER)
    context.handles.log.info("portal_link_used", linkId=link.id, teamId=link.team_id)
    response = see_other(next_page)
    cookies = context.cookies_of(request)
    set_session(context, cookies, response=response, session=context.sessions.of_link(link))
    return response


async def _form(context: ConsoleContext, request: Request, next_page: str, mistake: str = "") -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.OK
    cookies = context.cookies_of(request)
    now, look = context.handles.now_ms(), Look(read_theme(cookies.find(LOOK_COOKIE) or ""))
    text = await context.templates.render("portal.html", now, look, next_page=next_page, mistake=mistake)
    return html(text, status, context.framed_by(cookies))
