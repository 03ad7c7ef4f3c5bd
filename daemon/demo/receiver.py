"""A receiver of webhooks on loopback, for `listen` and the demo: keeps connections alive, answers as it is told."""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import h11
import trio

_LONGEST_BODY = 1024 * 1024
_IDLE_S = 120


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came: when (milliseconds since the epoch), and all of it. Header names are lower-case."""

    received_at: int
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of this (lower-case) name, or None."""
        return next((value for given, value in self.headers if given == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered; `headers` say what the body is, not how long."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


Answer = Callable[[ReceivedRequest], Awaitable[Response]]


def plain_response(status: int) -> Response:
    """Return a response of this status with the word that goes with it."""
    return Response(status, (("content-type", "text/plain"),), b"ok\n" if 200 <= status < 300 else b"not now\n")


def with_status(choose: Callable[[ReceivedRequest], int]) -> Answer:
    """Return the answer that gives each request the status that `choose` returns for it."""

    async def answer(request: ReceivedRequest) -> Response:
        return plain_response(choose(request))

    return answer


async def listen_on_loopback(port: int) -> trio.SocketListener:
    """Return a listener on 127.0.0.1; port 0 takes a free one. Raises OSError when the port is taken."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    return listeners[0]


def url_of(listener: trio.SocketListener) -> str:
    """Return the URL under which the listener is reached."""
    host, port = listener.socket.getsockname()[:2]
    return f"http://{host}:{port}"


async def serve_receiver(listener: trio.SocketListener, answer: Answer) -> None:
    """Take requests until cancelled; `answer` sees each one whole."""
    await trio.serve_listeners(partial(_serve_connection, answer), [listener])


async def _serve_connection(answer: Answer, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    # A stranger's broken connection is its own affair.
    with suppress(h11.ProtocolError, trio.BrokenResourceError, trio.TooSlowError):
        async with stream:
            while (request := await _receive(connection, stream)) is not None:
                await _respond(connection, stream, await answer(request))
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()


async def _receive(connection: h11.Connection, stream: trio.SocketStream) -> ReceivedRequest | None:
    """Return the next request, or None when the sender closed the connection."""
    head = await _next_event(connection, stream)
    if not isinstance(head, h11.Request):
        return None
    body = b""
    while isinstance(part := await _next_event(connection, stream), h11.Data):
        body += part.data
        if len(body) > _LONGEST_BODY:
            raise h11.RemoteProtocolError("the body is too long", error_status_hint=413)
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
    now = time.time_ns() // 1_000_000
    return ReceivedRequest(
        received_at=now,
        method=head.method.decode("ascii"),
        path=head.target.decode("ascii"),
        headers=headers,
        body=body,
    )


async def _next_event(connection: h11.Connection, stream: trio.SocketStream) -> h11.Event | None:
    while (event := connection.next_event()) is h11.NEED_DATA:
        with trio.fail_after(_IDLE_S):
            connection.receive_data(await stream.receive_some())
    return event if isinstance(event, h11.Event) else None


async def _respond(connection: h11.Connection, stream: trio.SocketStream, answer: Response) -> None:
    body = b"" if answer.status in (204, 304) else answer.body
    length = [] if answer.status == 204 else [("content-length", str(len(body)))]
    response = h11.Response(
        status_code=answer.status, headers=[*answer.headers, *length], reason=_reason(answer.status)
    )
    data = [connection.send(response), connection.send(h11.Data(data=body)), connection.send(h11.EndOfMessage())]
    with trio.fail_after(_IDLE_S):
        await stream.send_all(b"".join(part or b"" for part in data))


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
