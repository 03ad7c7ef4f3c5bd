"""The error pages."""

from http import HTTPStatus

from quart import Request, Response

from api.console.rendering.look import Look, read_theme
from api.console.session.access import LOOK_COOKIE, clear_session
from api.console.session.page_request import ConsoleContext, address, html, see_other
from api.console.session.refusals import Refused, SignInFirst
from api.http.errors import ApiError
from api.http.problems import as_refusal, log_refusal, problem_response

_OVER = "You were signed in for a while, and that is over: load the page around this one again."
_TITLES = {
    HTTPStatus.UNAUTHORIZED: "You are signed out",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.FORBIDDEN: "This is not allowed",
    HTTPStatus.TOO_MANY_REQUESTS: "One moment, please",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable",
    HTTPStatus.CONFLICT: "Not possible as things are",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The daemon failed at this",
}
_SENTENCES = {HTTPStatus.NOT_FOUND: "There is nothing here: check the address, or start from the menu."}


async def error_page(context: ConsoleContext, request: Request, error: Exception) -> Response:
    """Return the page for any exception; a fault of ours is logged as an error."""
    if isinstance(error, SignInFirst):
        return await _sign_in_first(context, request)
    if isinstance(error, Refused):
        return await _page(context, request, status=error.status, sentence=error.sentence)
    refusal = as_refusal(error)
    log_refusal(context.handles, request, refusal=refusal, error=error)
    page = await _page(context, request, status=refusal.status, sentence=_sentence(refusal))
    for name, value in problem_response(refusal).headers.items():
        if name in ("Retry-After", "Allow"):
            page.headers[name] = value
    return page


async def _sign_in_first(context: ConsoleContext, request: Request) -> Response:
    if request.path.endswith("/live"):  # a script reads it: a redirect would be of no use
        return html("", HTTPStatus.UNAUTHORIZED)
    wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    cookies = context.cookies_of(request)
    response = see_other(address("sign-in", next="" if wanted == "/console/" else wanted))
    if cookies.in_frame:  # there is no page to sign in for it
        response = await _page(context, request, status=HTTPStatus.UNAUTHORIZED, sentence=_OVER)
    clear_session(cookies, response)
    return response


def _sentence(refusal: ApiError) -> str:
    return _SENTENCES.get(refusal.status, refusal.detail)


async def _page(context: ConsoleContext, request: Request, status: HTTPStatus, sentence: str) -> Response:
    now = context.handles.now_ms()
    title = _TITLES.get(status, "This did not work")
    cookies = context.cookies_of(request)
    look = Look(read_theme(cookies.find(LOOK_COOKIE) or ""))
    text = await context.templates.render("error.html", now, look, title=title, sentence=sentence)
    return html(text, status, context.framed_by(cookies))
