"""From ASGI to a view and back: Quart-Trio's application without the parts this API does not need.

Quart gives each request two contexts, a session and signals, and sends a response in three pieces: without that, a
submission costs a tenth less. Still used: the request, the response, the URL map.
"""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import trio
from quart import Request, Response
from quart.routing import QuartRule
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.routing import Map

from api.http.plain import PlainView
from api.http.request import ApiRequest
from api.http.security_headers import SAFETY_HEADERS
from api.http.streamed import Streamed

View = Callable[..., Awaitable[Response | Streamed]]
AnswerError = Callable[[Request, Exception], Awaitable[Response]]
LogFailure = Callable[[Request, Exception], None]

_SAFETY = tuple((name.lower().encode(), value.encode()) for name, value in SAFETY_HEADERS.items())


class Exchange(TrioASGIHTTPConnection):
    """One request and its response. A client that goes away cancels its view."""

    app: "Dispatcher"

    async def __call__(self, receive: Any, send: Any) -> None:
        """Answer the request: the head with the safety headers, and the body, whole or piece by piece."""
        request = self._create_request_from_scope(send)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages, nursery, request, receive)
            response = await self.app.handle_request(request)
            if isinstance(response, Streamed):
                await self._stream(request, response, send)
            else:
                await _send(response, send)
            nursery.cancel_scope.cancel()

    async def _stream(self, request: Request, response: Streamed, send: Any) -> None:
        """Send a response piece by piece. One that fails stays without its end, which closes the connection."""

        async def send_piece(piece: bytes) -> None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        try:
            await send(_head(200, response.headers))
            if request.method != "HEAD":
                await response.run(send_piece)
            await send({"type": "http.response.body", "body": b""})
        except Exception as error:
            self.app.log_failure(request, error)
        finally:
            response.end()


class Dispatcher(QuartTrio):
    """An application whose views are called with the request, and whose errors are all answered by one function.

    Within them there is no `quart.request` and no hook: what every answer needs is added here. `log_failure` is told of
    what can no longer be answered: a failure in the middle of a stream.
    """

    asgi_http_class = Exchange
    request_class = ApiRequest

    def __init__(self, name: str, urls: Map, answer_error: AnswerError, log_failure: LogFailure) -> None:
        super().__init__(name, static_folder=None)
        self._answer_error = answer_error
        self.log_failure = log_failure
        self.views: dict[str, View] = {}  # by the names in `urls`, each called as `view(request, **path)`
        self.plain_views: dict[str, PlainView] = {}  # by path: those of the fast lane
        self.url_map = urls
        self._urls = urls.bind("")

    async def handle_request(self, request: Request) -> Response | Streamed:  # type: ignore[override]  # Streamed is new
        """Return the answer of the route's view, or what `answer_error` makes of an exception."""
        try:
            rule, path = self._urls.match(request.path, request.method, return_rule=True)
            request.url_rule = cast(QuartRule, rule)
            if request.method == "OPTIONS":
                return Response(b"", headers={"Allow": ", ".join(sorted(self._urls.allowed_methods(request.path)))})
            return await self.views[rule.endpoint](request, **path)
        except Exception as error:
            if request.url_rule is None and (redirect := self._without_slash(request)) is not None:
                return redirect
            return await self._answer_error(request, error)

    def _without_slash(self, request: Request) -> Response | None:
        """Return a redirect to the route that the path leads to without the slash at its end, None if there is none.

        Its target begins as one of our routes does, with one slash: it never names another host.
        """
        path = request.path[:-1]
        is_ours = request.path.endswith("/") and not path.startswith("//")  # the map would take // for /
        if not is_ours or not self._urls.test(path, request.method):
            return None
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        response = Response(b"", HTTPStatus.PERMANENT_REDIRECT, headers={"Location": quote(path) + query})
        del response.headers["Content-Type"]
        return response


async def _send(response: Response, send: Any) -> None:
    await send(_head(response.status_code, response.headers.items()))
    await send({"type": "http.response.body", "body": await response.get_data(as_text=False)})


def _head(status: int, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the head of a response; its own security headers override the default ones."""
    own = [(name.lower().encode(), value.encode()) for name, value in headers]
    names = {name for name, _ in own}
    usual = [header for header in _SAFETY if header[0] not in names]
    return {"type": "http.response.start", "status": status, "headers": [*own, *usual]}
