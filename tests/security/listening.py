"""The API of a running daemon on a real socket, for tests that send it bytes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from api.app import create_app
from api.server.connection import Patience
from tests.support.api_client import RunningApi, running_api
from tests.support.api_server import Served, exchange, serving

# No client of these tests is idle for so long, however busy the machine is; what is closed earlier, the server closes.
UNHURRIED = Patience(idle_s=60, send_s=30, linger_s=0.1)
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Listening:
    """The API on a socket."""

    api: RunningApi
    served: Served

    async def is_healthy(self) -> bool:
        async with await self.served.connect() as stream:
            return (await exchange(stream, HEALTH))[0] == 200

    def faults(self) -> list[dict[str, object]]:
        return [*self.served.log_lines(), *self.api.daemon.log_lines("api_error")]


@asynccontextmanager
async def listening(
    state_dir: Path, *, body_timeout_s: float = 15, max_connections: int = 100, patience: Patience = UNHURRIED
) -> AsyncIterator[Listening]:
    async with running_api(state_dir) as api:
        app = create_app(api.handles)
        app.config["BODY_TIMEOUT"] = body_timeout_s
        async with serving(app, patience=patience, max_connections=max_connections) as served:
            yield Listening(api, served)
