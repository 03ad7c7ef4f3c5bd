"""The fast lane: submissions without ASGI, Request and Response objects (architecture "The HTTP server").

Each connection begins here. The lane reads a head, and takes the request if the head leaves no doubt
(`api.server.lane_head`): its view, the same function as behind the general server, checks the key, takes from the
limits, reads the body and submits. Responses are written in the order of the requests, one at a time.

With the first request that is unusual or malformed the connection is handed to the general server, with every byte that
was read of it, and stays there. So one place decides about each request, and the lane refuses nothing that the general
server would word differently.

1. *Deadlines* are the connection's: until a head is there it is idle; while a request is answered it is not.
2. *A refusal before the body has come* ends the connection: what comes is no request (RFC 9112, 9.3).
3. *A client that goes away* is not watched for: its submission stands, and the response finds nobody.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import Any

import trio
from werkzeug.exceptions import RequestTimeout

from api.http.plain import ClientGone, PlainRequest, PlainView, render
from api.server.connection import Connection
from api.server.lane_head import END, LaneHead, may_become_head, read_head

_READ_BYTES = 64 * 1024
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


@dataclass(slots=True)
class _Body:
    """The body of one request, at the beginning of `buffer` as far as it has come."""

    connection: Connection
    buffer: bytearray
    length: int
    is_taken: bool = False

    @property
    def is_there(self) -> bool:
        return self.is_taken or len(self.buffer) >= self.length

    async def read(self, timeout_s: float) -> bytes:
        """Return it. Raises RequestTimeout and ClientGone."""
        if not self.is_there:
            with trio.move_on_after(timeout_s) as waiting:
                await self._receive()
            if waiting.cancelled_caught:
                raise RequestTimeout
        return self.take()

    def take(self) -> bytes:
        """Return it, which has come: the next request is behind it."""
        if self.is_taken:
            return b""
        body = bytes(self.buffer[: self.length])
        del self.buffer[: self.length]
        self.is_taken = True
        return body

    async def _receive(self) -> None:
        while len(self.buffer) < self.length:
            try:
                data = await self.connection.receive_at_most(_READ_BYTES)
            except _GONE:
                raise ClientGone from None
            if not data:
                raise ClientGone
            self.buffer += data


async def serve_submissions(
    connection: Connection,
    views: Mapping[str, PlainView],
    scope: Mapping[str, Any],
    *,
    most_requests: int,
    clock: Callable[[], float] = time,
) -> bool:
    """Answer submissions until something else comes; return whether the connection goes on in the general server.

    What was read of it is then given back. Else it is closed.
    """
    buffer = bytearray()
    requests = 0
    with suppress(ClientGone, *_GONE):
        while True:
            head = await _read_head(connection, buffer)
            if head is None:
                connection.give_back(buffer)
                return True
            requests += 1
            body = _Body(connection, buffer, head.content_length)
            connection.begin_request()
            try:
                request = PlainRequest(
                    path=head.path,
                    headers=head.headers,
                    mimetype=head.mimetype,
                    content_length=head.content_length,
                    scope=scope,
                    read_body=body.read,
                )
                response = await views[head.path](request)
                is_last = connection.stopping or not body.is_there or requests >= most_requests
                await connection.send_now(render(response, now_s=clock(), is_last=is_last))
            finally:
                connection.end_request()
            if is_last:
                break
            body.take()
    await _close(connection)
    return False


async def _read_head(connection: Connection, buffer: bytearray) -> LaneHead | None:
    """Take the next head off the buffer, None for anything else, which stays there."""
    if buffer:  # it may be whole: many that come together must not hold up the others
        await trio.lowlevel.checkpoint()
    seen = 0
    while (end := buffer.find(END, max(0, seen - len(END)))) < 0:
        if not may_become_head(buffer, seen):
            return None
        seen = len(buffer)
        data = await connection.receive_at_most(_READ_BYTES)
        if not data:
            if buffer:
                return None
            raise ClientGone
        buffer += data
    end += len(END)
    head = read_head(bytes(buffer[:end]))
    if head is not None:
        del buffer[:end]
    return head


async def _close(connection: Connection) -> None:
    with suppress(*_GONE):
        await connection.send_eof()
    await connection.aclose()
