"""The application: every route of the tables, bound to the daemon's handles (architecture "Packages")."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from pydantic import BaseModel
from quart import Request, Response

from api.console.errors import error_page
from api.console.root import is_browser_at_root, redirect_to_console
from api.console.routes import PAGES, PREFIX, add_console, console_rules
from api.console.session.page_request import ConsoleContext
from api.http.auth import ANYBODY, authenticate
from api.http.dispatch import Dispatcher, View
from api.http.errors import rate_limited
from api.http.idempotency import answered_once, read_idempotency
from api.http.inputs import read_inputs
from api.http.known import known_to
from api.http.plain import ClientGone, PlainRequest, PlainResponse, PlainView
from api.http.problems import answer_error, as_refusal, log_failure, log_refused, plain_problem
from api.http.request import HttpRequest
from api.http.reserved_ids import Words, is_parameter, reserved_segments, steps
from api.http.route import Answer, Call, Noted, Route
from api.http.streamed import Streamed
from api.http.urls import MatchingRule, make_map, make_rule
from api.http.wire import to_json
from api.limits.exports import Exports
from api.limits.large_bodies import LargeBodies
from api.limits.rate_limit import RateLimits, tokens_for
from api.limits.sizes import MAX_BODY_BYTES_OF_PATH
from api.openapi import document
from api.routes import (
    addresses,
    audit,
    bulk_jobs,
    changes,
    credits,
    deliveries,
    event_erasing,
    event_types,
    events,
    exports,
    filter_options,
    health,
    keys,
    listeners,
    nodes,
    portal_links,
    search,
    statistics,
    system,
    teams,
    testing,
    webhook_routes,
)
from daemon.actors.threads import RunInThread, thread_runner
from daemon.crypto.api_keys import Principal
from daemon.handles import Handles

BODY_TIMEOUT_S = 15
AnswerRoute = Callable[..., Awaitable[Answer]]

_DESCRIBED: tuple[Route, ...] = (
    *events.ROUTES,
    *event_erasing.ROUTES,
    *event_types.ROUTES,
    *search.ROUTES,
    *webhook_routes.ROUTES,
    *statistics.ROUTES,
    *testing.ROUTES,
    *filter_options.ROUTES,
    *deliveries.ROUTES,
    *exports.ROUTES,
    *bulk_jobs.ROUTES,
    *changes.ROUTES,
    *listeners.ROUTES,
    *credits.ROUTES,
    *teams.ROUTES,
    *keys.ROUTES,
    *addresses.ROUTES,
    *portal_links.ROUTES,
    *audit.ROUTES,
    *nodes.ROUTES,
    *system.ROUTES,
    *health.ROUTES,
)
ROUTES = (*_DESCRIBED, document.document_route(_DESCRIBED))


@cache  # made when somebody looks at it
def _document() -> Mapping[str, Any]:
    return document.describe(ROUTES)


def _rules() -> Iterator[MatchingRule]:
    words = reserved_segments(route.path for route in ROUTES)
    for route in ROUTES:
        yield make_rule(route.method, _path(route.path, words), route.name)
    yield from console_rules()


def _path(path: str, words: Words) -> str:
    """Return the path of a route as Werkzeug writes it."""
    return "/".join(
        f"<id({', '.join(sorted(words.get(prefix, ())))}):{part[1:-1]}>" if is_parameter(part) else part
        for prefix, part in steps(path)
    )


def _reserved_ids() -> frozenset[str]:
    segments = [reserved_segments(row.path for row in table) for table in (ROUTES, PAGES)]
    return frozenset[str]().union(*(words for each in segments for words in each.values()))


_URLS = make_map(_rules())
_RESERVED_IDS = _reserved_ids()


def create_app(handles: Handles, run_in_thread: RunInThread | None = None) -> Dispatcher:
    """Return the HTTP API over these handles (contract "HTTP API"); of its own it only knows how often each key asked.

    What takes long runs in `run_in_thread`, by default one thread for each kind: more would only compete.
    """
    limits = RateLimits(handles.api_settings)
    bodies, shared_exports = LargeBodies(lambda: run_in_thread or thread_runner(1)), Exports()
    console: ConsoleContext | None = None

    async def answer_any_error(request: Request, error: Exception) -> Response:
        if is_browser_at_root(request):
            return redirect_to_console()
        if console is not None and f"{request.path}/".startswith(PREFIX):
            return await error_page(console, request, error)
        return await answer_error(handles, request, error)

    app = Dispatcher("api", _URLS, answer_any_error, log_failure=partial(log_failure, handles))
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    for route in ROUTES:
        answer = bind(
            route, handles, limits=limits, bodies=bodies, shared_exports=shared_exports, reserved_ids=_RESERVED_IDS
        )
        app.views[route.name] = _view(route, answer, handles=handles, limits=limits)
        if route.method == "POST" and route.path in MAX_BODY_BYTES_OF_PATH:
            plain = _plain_view(route, answer, handles=handles, limits=limits, config=app.config)
            app.plain_views[route.path] = plain
    console = add_console(
        app,
        handles,
        limits=limits,
        shared_exports=shared_exports,
        run_in_thread=run_in_thread or thread_runner(1),
        reserved_ids=_RESERVED_IDS,
        api_document=_document,
    )
    return app


def bind(
    route: Route,
    handles: Handles,
    limits: RateLimits,
    bodies: LargeBodies,
    shared_exports: Exports,
    reserved_ids: frozenset[str],
) -> AnswerRoute:
    """Return what answers a caller's request for a route: it checks the limit, and reads query and body."""

    has_inputs = route.query is not None or (route.body is not None and route.body.parsed)

    async def answer(request: HttpRequest, principal: Principal, **path: str) -> Answer:
        if principal is not ANYBODY:
            wait_s = limits.take(principal, tokens_for(size_bytes=request.content_length or 0))
            if wait_s is not None:
                raise rate_limited(wait_s)
        with bodies.room(request, principal) as run_in_thread:
            call = Call(
                handles,
                principal,
                request=request,
                run_in_thread=run_in_thread,
                charge=partial(limits.charge, principal),
                exports=shared_exports,
                known=known_to(principal, handles.event_types.known, reserved_ids),
            )
            inputs, raw = dict[str, BaseModel](), b""
            if has_inputs or request.query_string:
                inputs, raw = await read_inputs(route, call, path)
            idempotency = None
            if route.once:
                with call.mistakes:
                    idempotency = read_idempotency(principal, request, raw)
            if route.body is None or route.body.parsed:
                call.mistakes.raise_if_any()
            if idempotency is None:
                return await route.handler(call, **path, **inputs)
            call = replace(call, idempotency=idempotency)
            return await answered_once(call, idempotency, partial(route.handler, call, **path, **inputs))

    return answer


def _view(route: Route, answer: AnswerRoute, *, handles: Handles, limits: RateLimits) -> View:
    async def view(request: Request, **path: str) -> Response | Streamed:
        principal = ANYBODY
        try:
            principal = await authenticate(handles, request, route)
            answered = await answer(request, principal, **path)
            if isinstance(answered, Streamed):
                return replace(answered, headers=(*answered.headers, *limits.headers(principal)))
            response = _respond(route, answered)
        except Exception as error:
            response = await answer_error(handles, request, error)
        response.headers.extend(limits.headers(principal))
        return response

    return view


def _plain_view(
    route: Route, answer: AnswerRoute, *, handles: Handles, limits: RateLimits, config: Mapping[str, Any]
) -> PlainView:
    """Return the view of a route for the fast lane: the same answer, the same refusals."""
    media_type = ("Content-Type", route.media_type)

    async def view(request: PlainRequest) -> PlainResponse:
        request.body_timeout_s = config["BODY_TIMEOUT"]
        principal = ANYBODY
        try:
            principal = await authenticate(handles, request, route)
            answered = await answer(request, principal)
            headers = media_type, *_headers_of(answered), *limits.headers(principal)
            return PlainResponse(route.status, headers, _content(answered))
        except ClientGone:
            raise
        except Exception as error:
            refusal = as_refusal(error)
            log_refused(handles, refusal, error, method=route.method, path=route.path)
            return plain_problem(refusal, limits.headers(principal))

    return view


def _respond(route: Route, answer: BaseModel | bytes | Noted | None) -> Response:
    if answer is None:
        response = Response(b"", route.status)
        del response.headers["Content-Type"]
        return response
    response = Response(_content(answer), route.status, content_type=route.media_type)
    response.headers.extend(_headers_of(answer))
    return response


def _content(answer: Answer) -> bytes:
    if answer is None or isinstance(answer, Streamed):  # a stream is no answer of the fast lane
        return b""
    if isinstance(answer, Noted):
        return answer.content
    return answer if isinstance(answer, bytes) else to_json(answer).encode()


def _headers_of(answer: Answer) -> Sequence[tuple[str, str]]:
    return answer.headers if isinstance(answer, Noted) else ()
