"""A transport whose receiver is a function over httpx's Request and Response: no socket, so it fits virtual time."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import lru_cache

import httpx
import trio

from daemon.egress.errors import DeadlinePassed
from daemon.egress.post import Post, request_start
from daemon.egress.response import Response
from daemon.egress.transport import Transport

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class MockTransport(Transport):
    """Gives each POST to `handle` and fills the response from what it returns or, in its own time, streams."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle

    async def send(self, post: Post, response: Response, deadline: float) -> None:
        with trio.CancelScope(deadline=deadline):
            return await self._send(post, response)
        raise DeadlinePassed

    async def _send(self, post: Post, response: Response) -> None:
        response.stage = "waiting for the response"
        given = await self._handle(as_request(post))
        response.status, response.headers = given.status_code, given.headers.raw
        try:
            await _take(given, response)
            response.complete = True
        finally:
            await given.aclose()

    def close(self) -> None:
        pass


def as_request(post: Post) -> httpx.Request:
    """Return the POST as httpx has it."""
    url, start = _parsed(post.url)
    _, *lines = (start + post.fields).decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines if line)]
    return httpx.Request("POST", url, headers=headers, content=post.body)


@lru_cache(100)
def _parsed(url: str) -> tuple[httpx.URL, bytes]:
    """A long URL takes milliseconds, and a receiver has one for all its requests."""
    return httpx.URL(url), request_start(url)


async def _take(given: httpx.Response, response: Response) -> None:
    assert isinstance(given.stream, httpx.AsyncByteStream)
    chunks = aiter(given.stream)
    async for chunk in chunks:
        response.add_body(chunk)
        if response.enough:
            break
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()
