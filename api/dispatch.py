"""From ASGI to a view and back: Quart-Trio's application without what this API has no use for.

Quart gives each request two contexts, a session and signals, and sends a response in three pieces: without that, a
submission costs a tenth less. What is used of it: the request, the response, the map of URLs.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio
from quart import Request, Response
from quart.routing import QuartRule
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

from api.request import ApiRequest
from api.safety import SAFETY_HEADERS

View = Callable[..., Awaitable[Response]]
AnswerError = Callable[[Request, Exception], Response]

_SAFETY = tuple((name.lower().encode(), value.encode()) for name, value in SAFETY_HEADERS.items())


class Exchange(TrioASGIHTTPConnection):
    """One request and its response. A client that goes away cancels its view."""

    app: "Dispatcher"

    async def __call__(self, receive: Any, send: Any) -> None:
        """Answer the request, in two messages: the head with the safety headers, and the whole body."""
        request = self._create_request_from_scope(send)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages, nursery, request, receive)
            response = await self.app.handle_request(request)
            await _send(response, send)
            nursery.cancel_scope.cancel()


class Dispatcher(QuartTrio):
    """An application whose views are called with the request, and whose errors are all answered by one function.

    Within them there is no `quart.request` and no hook: what every answer needs stands here.
    """

    asgi_http_class = Exchange
    request_class = ApiRequest

    def __init__(self, name: str, answer_error: AnswerError) -> None:
        super().__init__(name, static_folder=None)
        self._answer_error = answer_error
        self._views: dict[str, View] = {}
        self._urls = self.url_map.bind("")

    def add_view(self, rule: str, name: str, view: View, method: str) -> None:
        """Have requests for `rule` (as Werkzeug writes them) answered by `view(request, **path)`."""
        self.add_url_rule(rule, name, methods=[method])
        self._views[name] = view

    async def handle_request(self, request: Request) -> Response:
        """Return the answer of the route's view, or what `answer_error` makes of what is raised."""
        try:
            rule, path = self._urls.match(request.path, request.method, return_rule=True)
            request.url_rule = cast(QuartRule, rule)
            if request.method == "OPTIONS":
                return Response(b"", headers={"Allow": ", ".join(sorted(self._urls.allowed_methods(request.path)))})
            return await self._views[rule.endpoint](request, **path)
        except Exception as error:
            return self._answer_error(request, error)


async def _send(response: Response, send: Any) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": [*headers, *_SAFETY]})
    await send({"type": "http.response.body", "body": await response.get_data(as_text=False)})
