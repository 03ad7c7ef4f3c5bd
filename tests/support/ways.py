"""The two ways of a submission, the fast lane and the general server, and tests that go both."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import pytest
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers

from api.http.dispatch import Dispatcher
from api.http.plain import PlainRequest, render
from api.http.route import Route
from api.limits.sizes import MAX_BODY_BYTES_OF_PATH
from api.server.lane_head import read_head

WAYS = ("fast lane", "general server")

# Which way the test asks for; None if it does not care.
_way: ContextVar[str | None] = ContextVar("way", default=None)


def asks_for(way: str) -> bool:
    """Whether the test has asked for this way."""
    return _way.get() == way


@contextmanager
def going(way: str) -> Iterator[None]:
    """Have the submissions of a block go this way."""
    before = _way.set(way)
    yield
    _way.reset(before)


def each_route_each_way(routes: Iterable[Route]) -> pytest.MarkDecorator:
    """Return the parameters `route` and `way`: routes of submissions go both ways, the others have only one."""
    cases = [(route, way) for route in routes for way in ways_of_path(route.path)]
    names = [f"{route.method} {route.path}, {way}" for route, way in cases]
    return pytest.mark.parametrize(("route", "way"), cases, ids=names)


def ways_of_path(path: str) -> Sequence[str]:
    """Return the ways of a route: submissions have both, the others one."""
    return WAYS if path in MAX_BODY_BYTES_OF_PATH else WAYS[1:]


async def answer_in_the_lane(
    app: QuartTrio, path: str, *, headers: Headers, content: bytes
) -> tuple[int, Headers, bytes] | None:
    """POST by the fast lane, without sockets; return status, headers without the date, and body.

    Return None for what the lane leaves to the general server.
    """
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    head = read_head("\r\n".join((*lines, f"Content-Length: {len(content)}", "", "")).encode("latin-1"))
    if head is None or not isinstance(app, Dispatcher):
        return None

    async def read_body(_timeout_s: float) -> bytes:
        return content

    request = PlainRequest(
        path=head.path,
        headers=head.headers,
        mimetype=head.mimetype,
        content_length=head.content_length,
        scope={},
        read_body=read_body,
    )
    response = render(await app.plain_views[head.path](request), now_s=0, is_last=False)
    sent, _, body = response.partition(b"\r\n\r\n")
    status, *fields = sent.decode("latin-1").split("\r\n")
    shown = [(name, value) for name, _, value in (field.partition(": ") for field in fields) if name != "date"]
    return int(status.split(" ")[1]), Headers(shown), body
