"""The accept loop: Hypercorn's connections under our own rule (architecture "The HTTP server").

No client can end the daemon or hold up its stop: what goes wrong on a connection stays there, and at the end of
the grace period every connection is closed, whatever it is doing.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import orjson
import trio
from hypercorn.config import Config
from hypercorn.logging import Logger
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, LifespanState
from prometheus_client import Gauge
from structlog.typing import FilteringBoundLogger

from api.http.auth import KEY_PRESENTED
from api.http.errors import ApiError, Code
from api.http.plain import PlainView
from api.http.problems import MEDIA_TYPE, RETRY_AFTER_S, problem_of
from api.http.security_headers import SAFETY_HEADERS
from api.server.admission import Admission
from api.server.connection import DEFAULT_PATIENCE, Connection, Patience
from api.server.http1 import Http1Server
from api.server.lane import serve_submissions
from api.server.listeners import Listeners

_REQUESTS_PER_CONNECTION = 100_000
_REFUSAL_S = 1

Application = Callable[[Any, Any, Any], Awaitable[None]]


async def serve_api(
    app: Application,
    listeners: Listeners,
    *,
    stop: trio.Event,
    grace_s: float,
    max_connections: int,
    refusals_at_once: int = 100,
    log: FilteringBoundLogger,
    patience: Patience = DEFAULT_PATIENCE,
    open_connections: Gauge | None = None,
    submissions: Mapping[str, PlainView] = MappingProxyType({}),
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an ASGI application until `stop` is set; closes the listeners.

    At most `max_connections` are open at once, over all listeners, a quarter of them without a key (see
    `api.server.admission`); the rest are answered 503, `refusals_at_once` of them, or closed.
    `open_connections` tells how many are open. `submissions` are the views of the fast lane, by path: without any,
    every request goes through the application.
    There is no limit for one peer's address: behind a proxy, and on loopback, everybody has the same one.
    Then it accepts no more, closes what stays idle, lets requests in flight finish for `grace_s` seconds, and returns
    when the last connection is closed. Raises only what the listeners raise.
    """
    server = _Server(
        app=app,
        submissions=submissions,
        max_connections=max_connections,
        refusals_at_once=refusals_at_once,
        log=log,
        patience=patience,
    )
    if open_connections is not None:
        open_connections.set_function(lambda: server.open_connections)
    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                accept = partial(trio.serve_listeners, server.serve, handler_nursery=connections)
                await accepting.start(accept, listeners)
                task_status.started()
                await stop.wait()
                accepting.cancel_scope.cancel()
            with trio.move_on_after(grace_s):
                await server.drain()
        finally:
            server.abort()
        connections.cancel_scope.cancel()


class _Server:
    def __init__(
        self,
        app: Application,
        submissions: Mapping[str, PlainView],
        max_connections: int,
        refusals_at_once: int,
        log: FilteringBoundLogger,
        patience: Patience,
    ) -> None:
        self._app = app
        self._submissions = submissions
        self._open = Admission(max_connections)
        self._log = log
        self._patience = patience
        self._config = _hypercorn_config(log)
        self._context = WorkerContext(None)
        self._stopping = False
        self._closed_one = trio.Event()
        self._refusals = trio.CapacityLimiter(refusals_at_once)

    @property
    def open_connections(self) -> int:
        """How many connections are served now."""
        return len(self._open)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        connection = Connection(stream, self._patience)
        if not self._open.admit(connection):
            await self._refuse(stream)
            return
        if self._stopping:  # it was accepted in the last moment
            connection.stop()
        try:
            if await self._is_for_all(connection):
                await self._speak_http(connection)
        except* Exception as errors:
            self._log.error("api_error", error="a connection failed", exc_info=errors)
        finally:
            connection.abort()
            self._open.remove(connection)
            self._closed_one.set()

    async def drain(self) -> None:
        """Close what stays idle, and wait for the rest to close."""
        self._stopping = True
        for connection in self._open:
            connection.stop()
        while len(self._open):
            self._closed_one = trio.Event()
            await self._closed_one.wait()

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in self._open:
            connection.abort()

    async def _refuse(self, stream: trio.SocketStream) -> None:
        try:
            self._refusals.acquire_nowait()
        except trio.WouldBlock:  # a flood: what is not answered cannot hold a descriptor either
            await trio.aclose_forcefully(stream)
            return
        try:
            await _answer_overloaded(stream)
        finally:
            self._refusals.release()

    async def _is_for_all(self, connection: Connection) -> bool:
        """Serve what is for the fast lane; return whether anything else came."""
        if not self._submissions:
            return True
        scope = {KEY_PRESENTED: partial(self._open.promote, connection)}
        return await serve_submissions(connection, self._submissions, scope, most_requests=_REQUESTS_PER_CONNECTION)

    async def _speak_http(self, connection: Connection) -> None:
        async def answer(scope: Any, receive: Any, send: Any, _spawn: Any, _call_soon: Any) -> None:
            with connection.request():
                scope[KEY_PRESENTED] = partial(self._open.promote, connection)
                await self._app(scope, receive, partial(connection.undisturbed, send))

        server = Http1Server(
            cast(AppWrapper, answer),
            self._config,
            self._context,
            LifespanState({}),
            connection,  # type: ignore[arg-type]  # it takes any stream, whatever its signature says
        )
        server.idle_task = _NoIdleTask()  # type: ignore[assignment]  # the connection's own deadline does it
        await server.run()


class _NoIdleTask:
    """In place of Hypercorn's idle timer, which would outlive a connection that its client closed."""

    async def restart(self, _task_group: Any, _action: Any) -> None:
        """Start nothing."""

    async def stop(self) -> None:
        """Stop nothing."""


class _HypercornLog(Logger):
    """Hypercorn's log as lines of ours: only what failed is of interest."""

    def __init__(self, log: FilteringBoundLogger, config: Config) -> None:
        super().__init__(config)
        self._log = log

    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        self._log.error("api_error", error=message, exc_info=True)


def _hypercorn_config(log: FilteringBoundLogger) -> Config:
    config = Config()
    config.errorlog = None
    config.include_server_header = False
    config.keep_alive_max_requests = _REQUESTS_PER_CONNECTION
    config.logger_class = partial(_HypercornLog, log)  # type: ignore[assignment]  # it is only ever called
    return config


async def _answer_overloaded(stream: trio.SocketStream) -> None:
    """Answer 503 without looking at the request."""
    body = orjson.dumps(problem_of(ApiError(Code.OVERLOADED, "Too many connections are open: try again in a second.")))
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        f"retry-after: {RETRY_AFTER_S}\r\nconnection: close\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in SAFETY_HEADERS.items())
        + "\r\n"
    )
    with trio.move_on_after(_REFUSAL_S):
        try:
            await stream.send_all(head.encode() + body)
            await stream.send_eof()
            while await stream.receive_some():
                pass  # closing on a client that still sends would lose it our answer
        except trio.BrokenResourceError:
            pass
    await stream.aclose()
