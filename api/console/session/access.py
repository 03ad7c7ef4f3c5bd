"""Checks on every request of a page: its session, its team, and whether its form is ours."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from quart import Request, Response

from api.console.rendering.look import Look, read_look
from api.console.session.cookies import Cookies
from api.console.session.csrf import require_form_token, require_own_origin
from api.console.session.forms import Form, read_form
from api.console.session.page_request import ConsoleContext, PageRequest
from api.console.session.refusals import SignInFirst, page_not_found
from api.console.session.sessions import COOKIE, LIFETIME_S, Session, SignedIn
from api.http.auth import mark_authenticated
from api.http.known import known_to
from api.http.route import Call
from api.http.streamed import Streamed
from daemon.actors.threads import RunInThread
from daemon.crypto.api_keys import Principal
from daemon.domain.model import Team
from daemon.store.reads import api_reads

LOOK_COOKIE = "console_look"
_YEAR_S = 365 * 86_400
TOKEN_FIELD = "form_token"  # noqa: S105  # the name of the field, not a token


async def session_of(context: ConsoleContext, request: Request) -> SignedIn | None:
    """Return the request's session, None without one; in a frame only that of a portal link is one."""
    cookies = context.cookies_of(request)
    signed_in = await context.sessions.read(cookies.find(COOKIE))
    return None if cookies.in_frame and signed_in is not None and signed_in.link is None else signed_in


async def require_session(context: ConsoleContext, request: Request) -> SignedIn:
    """Return the request's session. Raises SignInFirst without one, and ApiError (429) beyond its key's rate limit.

    A portal link has the limit of a key.
    """
    signed_in = await session_of(context, request)
    if signed_in is None:
        raise SignInFirst
    if signed_in.link is None:
        context.handles.note_key_use(signed_in.principal.key_id)
    mark_authenticated(request)
    context.take_token(signed_in.principal)
    return signed_in


async def answer_page(
    context: ConsoleContext,
    request: Request,
    signed_in: SignedIn,
    team_id: str | None,
    run_in_thread: RunInThread,
    answer: Callable[[PageRequest], Awaitable[Response | Streamed]],
) -> Response | Streamed:
    """Return the response of `answer`, with the session's cookie renewed if necessary.

    Raises Refused: 404 for a team that does not exist for this key, 403 for a form that is not ours.
    """
    form = await _checked_form(context, request, signed_in.session) if request.method == "POST" else Form()
    team = None if team_id is None else await _accessible_team(context, signed_in.principal, team_id)
    principal = signed_in.principal if team is None else replace(signed_in.principal, team_id=team.id)
    session = context.sessions.renewed(signed_in.session)
    if team is not None:
        session = replace(session, team_id=team.id)
    remembered = team or await _remembered_team(context, session)
    call = Call(
        context.handles,
        principal,
        request=request,
        run_in_thread=run_in_thread,
        charge=partial(context.limits.charge, signed_in.principal),
        exports=context.exports,
        known=known_to(principal, context.handles.event_types.known, context.reserved_ids),
    )
    cookies = context.cookies_of(request)
    response = await answer(
        PageRequest(
            context=context,
            call=call,
            session=session,
            is_operator=signed_in.principal.is_operator,
            link=signed_in.link,
            team=team,
            remembered=remembered,
            cookies=cookies,
            look=await read_look(
                cookies.find(LOOK_COOKIE) or "", run_in_thread, _usual_zone(signed_in.principal, remembered)
            ),
            form=form,
        )
    )
    if session != signed_in.session and isinstance(response, Response) and COOKIE not in _cookies_set(response):
        set_session(context, cookies, response=response, session=session)
    return response


def set_session(context: ConsoleContext, cookies: Cookies, *, response: Response, session: Session) -> None:
    """Set the session's cookie: scripts cannot read it, and outside of frames other sites' requests do not carry it."""
    cookies.set(response, COOKIE, context.sessions.cookie(session), max_age_s=LIFETIME_S)


def set_look(cookies: Cookies, response: Response, look: Look) -> None:
    """Set the cookie of how this browser shows the console."""
    cookies.set(response, LOOK_COOKIE, look.cookie, max_age_s=_YEAR_S)


def clear_session(cookies: Cookies, response: Response) -> None:
    """Delete the session's cookie."""
    cookies.delete(response, COOKIE)


def _cookies_set(response: Response) -> str:
    return " ".join(response.headers.getlist("Set-Cookie"))


async def _checked_form(context: ConsoleContext, request: Request, session: Session) -> Form:
    require_own_origin(request, context.handles.settings.public_url)
    form = await read_form(request)
    require_form_token(form.exact(TOKEN_FIELD), context.sessions.form_token(session))
    return form


async def _accessible_team(context: ConsoleContext, principal: Principal, team_id: str) -> Team:
    if principal.team_id not in (None, team_id):
        raise page_not_found()
    team = await context.handles.reader.fetch(api_reads.get_team, team_id)
    if team is None:
        raise page_not_found()
    return team


def _usual_zone(principal: Principal, team: Team | None) -> str:
    """Return the zone for who has not chosen one. The operator looks at many teams, and sees one zone."""
    return "UTC" if team is None or principal.is_operator else team.time_zone


async def _remembered_team(context: ConsoleContext, session: Session) -> Team | None:
    return None if session.team_id is None else await context.handles.reader.fetch(api_reads.get_team, session.team_id)
