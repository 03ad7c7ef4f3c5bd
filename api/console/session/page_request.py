"""The request of a page by a signed-in user, and the responses to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from quart import Request, Response

from api.console.rendering.look import Look
from api.console.rendering.templates import Templates
from api.console.session.cookies import Cookies, cookies_of
from api.console.session.forms import Form
from api.console.session.messages import Messages
from api.console.session.sessions import Session, Sessions
from api.console.session.shown_once import ShownOnce
from api.http.errors import rate_limited
from api.http.route import Call
from api.limits.exports import Exports
from api.limits.rate_limit import Buckets, RateLimits
from daemon.crypto.api_keys import Principal
from daemon.domain.model import KeyRole, Team
from daemon.domain.portal_links import PortalLink
from daemon.handles import Handles

_IN_NO_FRAME = "frame-ancestors 'none'"
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; {_IN_NO_FRAME}"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with our own forms
}


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    """What all pages share; `api_document()` is the OpenAPI document of the HTTP API.

    `confirmations` are how often each peer may confirm an address.
    """

    handles: Handles
    sessions: Sessions
    limits: RateLimits
    exports: Exports
    templates: Templates
    shown_once: ShownOnce
    messages: Messages
    confirmations: Buckets
    reserved_ids: frozenset[str]
    api_document: Callable[[], Mapping[str, Any]]

    def take_token(self, principal: Principal) -> None:
        """Have a request of this key or portal link cost a token. Raises ApiError (429) if there is none left."""
        if (wait_s := self.limits.take(principal)) is not None:
            raise rate_limited(wait_s)

    def cookies_of(self, request: Request) -> Cookies:
        """Return the cookies of a request."""
        return cookies_of(request, self.handles.settings)

    def framed_by(self, cookies: Cookies) -> Sequence[str]:
        """Return the origins that may show the page in a frame: none, unless a frame asked for it."""
        return self.handles.settings.console.embed_origins if cookies.in_frame else ()


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request of a session. `call` acts for `team` only, or, on pages without a team (None), as the operator.

    `remembered` is the team of the menu's links on pages without a team. `link` is the portal link that it came by.
    """

    context: ConsoleContext
    call: Call
    session: Session
    is_operator: bool
    link: PortalLink | None
    team: Team | None
    remembered: Team | None
    cookies: Cookies
    look: Look
    form: Form

    @property
    def handles(self) -> Handles:
        """The daemon's handles."""
        return self.call.handles

    @property
    def now(self) -> int:
        """The wall clock's time (ms)."""
        return self.call.handles.now_ms()

    @property
    def team_id(self) -> str:
        """The id of the team that the page is about."""
        assert self.team is not None, "the page has a team"
        return self.team.id

    @property
    def may_change(self) -> bool:
        """Whether the session's key may change anything: one that only reads is shown no form."""
        return self.call.principal.role is KeyRole.ADMIN

    @property
    def back_to(self) -> str:
        """The host that the portal link's "Back to …" leads to, "" if there is none."""
        url = None if self.link is None else self.link.return_url
        return "" if url is None else urlsplit(url).netloc

    async def is_still_valid(self) -> bool:
        """Whether the session has not ended since the request came. Raises StoreUnavailable."""
        return await self.context.sessions.read(self.context.sessions.cookie(self.session)) is not None

    def query(self, name: str) -> str:
        """Return a query parameter, "" if it is missing."""
        return str(self.call.request.args.get(name, "")).strip()

    def path(self, *parts: str, **query: str) -> str:
        """Return the URL path of one of this team's pages, without empty query parameters."""
        return address("teams", self.team_id, *parts, **query)

    def done(self, path: str, message: str, count: int = 0) -> Response:
        """Return the redirect after a form that succeeded, to a page that says so once (`messages.SENTENCES`)."""
        response = see_other(path)
        page = unquote(urlsplit(path).path)
        messages, shown_to = self.context.messages, self.session.id
        messages.keep(self.cookies, response, word=message, count=count, session_id=shown_to, page=page)
        return response

    def secret_about(self, about: str) -> str | None:
        """Return the secret that this page is to show, None if there is none."""
        return self.context.shown_once.find(self.cookies, session_id=self.session.id, about=about)

    def with_secret(self, response: Response, about: str, secret: str) -> Response:
        """Return the response, which hands a secret on to the page about this webhook or team."""
        self.context.shown_once.keep(self.cookies, response, secret, session_id=self.session.id, about=about)
        return response

    def shown(self, response: Response, about: str, secret: str | None) -> Response:
        """Return the page that has shown this secret, or none: it is not shown again."""
        if secret is not None:
            self.context.shown_once.forget(self.cookies, response, about)
        return response

    async def fragment(self, name: str, **values: Any) -> str:
        """Render a part of a page."""
        return await self.context.templates.render(name, self.now, self.look, request=self, **values)

    async def page(self, name: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
        """Render a page as a response."""
        token = self.context.sessions.form_token(self.session)
        message = self.context.messages.find(self.cookies, session_id=self.session.id, page=self.call.request.path)
        text = await self.fragment(name, form_token=token, message=message, **values)
        page = html(text, status, self.context.framed_by(self.cookies))
        if message:
            self.context.messages.forget(self.cookies, page)
        return page


def address(*parts: str, **query: str) -> str:
    """Return the URL path of a console page, without empty query parameters."""
    return with_query("/console/" + "/".join(quote(part, safe="") for part in parts), **query)


def with_query(path: str, **query: str) -> str:
    """Return a path with a query, without empty parameters."""
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def html(text: str, status: HTTPStatus = HTTPStatus.OK, framed_by: Sequence[str] = ()) -> Response:
    """Return a page as a response, with its security headers. `framed_by` are the origins that may show it in a frame.

    Only pages of a portal link may name any: a page that shows what a key may do is in no frame.
    """
    headers = dict(PAGE_HEADERS)
    if framed_by:
        policy, origins = headers["Content-Security-Policy"], " ".join(framed_by)
        headers["Content-Security-Policy"] = policy.replace(_IN_NO_FRAME, f"frame-ancestors {origins}")
    return Response(text, status, content_type="text/html; charset=utf-8", headers=headers)


def see_other(path: str) -> Response:
    """Return a redirect to a page of ours (RFC 9110, 15.4.4): the response to a form that succeeded."""
    response = Response(b"", HTTPStatus.SEE_OTHER, headers={"Location": path})
    del response.headers["Content-Type"]
    return response
