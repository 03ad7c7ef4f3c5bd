"""The accept loop in a test's own task, on an ephemeral port, and a client that speaks HTTP by the byte."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import orjson
import trio
from prometheus_client import Gauge

from api.http.dispatch import Dispatcher
from api.server.connection import DEFAULT_PATIENCE, Patience
from api.server.listeners import open_listeners
from api.server.serve import Application, serve_api
from daemon.config.settings import LogSettings
from daemon.telemetry.log import make_logger
from tests.support.ways import asks_for


@dataclass(slots=True)
class Served:
    """A running accept loop."""

    port: int
    stop: trio.Event
    log: io.BytesIO
    stopped: trio.Event = field(default_factory=trio.Event)
    open_connections: Gauge = field(default_factory=lambda: Gauge("open", "Now", registry=None))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    def log_lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.log.getvalue().splitlines()]


@asynccontextmanager
async def serving(
    app: Application,
    *,
    grace_s: float = 5,
    max_connections: int = 100,
    patience: Patience = DEFAULT_PATIENCE,
    bind: str = "127.0.0.1:0",
    fast_lane: bool | None = None,
) -> AsyncIterator[Served]:
    """Serve an ASGI application, with its fast lane unless the test's `way` is without; leaving cancels what runs."""
    has_lane = not asks_for("general server") if fast_lane is None else fast_lane
    listeners = await open_listeners(bind)
    log = io.BytesIO()
    address = listeners[0].socket.getsockname()
    served = Served(address[1] if isinstance(address, tuple) else 0, trio.Event(), log)

    async def run(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await serve_api(
            app,
            listeners,
            stop=served.stop,
            grace_s=grace_s,
            max_connections=max_connections,
            log=make_logger(LogSettings(level="debug", format="json"), log, strict=True),
            patience=patience,
            open_connections=served.open_connections,
            submissions=app.plain_views if has_lane and isinstance(app, Dispatcher) else {},
            task_status=task_status,
        )
        served.stopped.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield served
        nursery.cancel_scope.cancel()


async def exchange(stream: trio.abc.Stream, request: bytes) -> tuple[int, bytes]:
    """Send a whole request and read one response from a connection that stays open; return its status and body."""
    await stream.send_all(request)
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    reader.send(h11.EndOfMessage())
    status, body = 0, b""
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            reader.receive_data(bytes(await stream.receive_some()))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return status, body


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    """Return everything that comes until the other side closes."""
    received = b""
    while data := await stream.receive_some():
        received += data
    return received
