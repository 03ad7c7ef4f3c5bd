"""The application: every route of the tables, bound to the daemon's handles (DESIGN "Rooms")."""

from functools import partial

from pydantic import BaseModel
from quart import Request, Response
from quart_trio import QuartTrio
from werkzeug.routing import BaseConverter

from api import credits, deliveries, events, health, keys, openapi, teams, testing, webhook_routes
from api.auth import ANYBODY, authenticate
from api.console.errors import error_page
from api.console.routes import PREFIX, add_console
from api.console.visit import Desk
from api.dispatch import Dispatcher, View
from api.errors import rate_limited
from api.json_body import JSON, read_json
from api.large_bodies import LargeBodies
from api.problems import answer_error
from api.query import NoQuery, read_query
from api.rate_limit import RateLimits, tokens_for
from api.route import Access, Answer, Call, Route
from daemon.handles import Handles
from daemon.hop import Hop, thread_hop

BODY_TIMEOUT_S = 15
OPEN = (Access.LOCAL, Access.LOCAL_OPERATOR)

_DESCRIBED: tuple[Route, ...] = (
    *events.ROUTES,
    *webhook_routes.ROUTES,
    *testing.ROUTES,
    *deliveries.ROUTES,
    *credits.ROUTES,
    *teams.ROUTES,
    *keys.ROUTES,
    *health.ROUTES,
)
ROUTES = (*_DESCRIBED, openapi.document_route(_DESCRIBED))


class IdConverter(BaseConverter):
    """An id in a path, which is never the name of a route beside it: GET /v1/webhooks/test is a 405, not a webhook."""

    regex = r"(?!(?:test|batch)\Z)[^/]+"
    part_isolating = True


def create_app(handles: Handles, aside: Hop | None = None) -> QuartTrio:
    """Return the HTTP API over these handles (contract "HTTP API"); of its own it only knows how often each key asked.

    What takes long is done by `aside`, by default a thread for each kind: more would wait for each other anyway.
    """
    limits = RateLimits(handles.api_settings)
    bodies = LargeBodies(lambda: aside or thread_hop(1))
    console: Desk | None = None

    async def answer_any_error(request: Request, error: Exception) -> Response:
        if console is not None and f"{request.path}/".startswith(PREFIX):
            return await error_page(console, request, error)
        return await answer_error(handles, request, error)

    app = Dispatcher("api", answer_any_error)
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False  # //v1/events is no route, and no redirect either
    for route in ROUTES:
        rule = route.path.replace("{", "<id:").replace("}", ">")
        app.add_view(rule, route.name, bind(route, handles, limits, bodies), route.method)
    console = add_console(app, handles, limits, aside or thread_hop(1))
    return app


def bind(route: Route, handles: Handles, limits: RateLimits, bodies: LargeBodies) -> View:
    """Return the view of a route: it checks the key, reads query and body, and turns the answer into a response."""

    async def view(request: Request, **path: str) -> Response:
        principal = authenticate(handles, request, route.access)
        if principal is not ANYBODY:
            wait_s = limits.take(principal, tokens_for(size_bytes=request.content_length or 0))
            if wait_s is not None:
                raise rate_limited(wait_s)
        with bodies.room(request, principal) as aside:
            call = Call(handles, principal, request, aside, partial(limits.charge, principal))
            inputs = await _read_inputs(route, request, aside)
            return _respond(route, await route.handler(call, **path, **inputs))

    return view


async def _read_inputs(route: Route, request: Request, aside: Hop) -> dict[str, BaseModel]:
    inputs: dict[str, BaseModel] = {}
    if route.query is not None:
        inputs["query"] = read_query(request, route.query)
    elif request.query_string and route.access not in OPEN:  # who asks for health may add what they like
        read_query(request, NoQuery)
    if route.body is not None and route.body.parsed:
        inputs["body"] = await read_json(request, route.body.content[JSON], aside)
    return inputs


def _respond(route: Route, answer: Answer) -> Response:
    if answer is None:
        response = Response(b"", route.status)
        del response.headers["Content-Type"]
        return response
    content = answer if isinstance(answer, bytes) else _to_json(answer)
    return Response(content, route.status, content_type=route.media_type)


def _to_json(answer: BaseModel) -> str:
    return answer.model_dump_json(by_alias=True, exclude_unset=True)  # a member that is not set is one not to be shown
