"""One start of a daemon, as after a crash: until it is ready, until its first delivery, until it has taken an event.

The daemon is killed afterwards: what it delivers is not answered, so that the backlog stays as it is.
"""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from tests.bench.arrival import first_arrival
from tests.bench.events import event
from tests.bench.processes import child
from tests.support.process import Installation

# What takes longer than this counts as this long.
PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process until READY=1, the first delivery's first byte, and the first 202."""

    ready_s: float
    delivery_s: float
    receipt_s: float


async def measure_start(installation: Installation, team_id: str, receiver: socket.socket) -> Start:
    """Start the daemon on its backlog, whose receiver has this reserved port; submit an event of this team when ready.

    Raises TooSlowError when it is not ready, or has not taken the event, in time.
    """
    async with first_arrival(receiver) as arrival, _starting(installation) as (started_at, manager):
        with trio.fail_after(PATIENCE_S):
            await _until_ready(manager)
            ready_at = time.perf_counter()
            await _submit(installation, team_id)
            receipt_at = time.perf_counter()
        with trio.move_on_after(PATIENCE_S - (receipt_at - started_at)):
            await arrival.seen.wait()
        delivery_at = arrival.at if arrival.seen.is_set() else started_at + PATIENCE_S
        return Start(ready_at - started_at, delivery_at - started_at, receipt_at - started_at)


async def measure_readiness(installation: Installation) -> float:
    """Start the daemon; return the seconds until READY=1."""
    async with _starting(installation) as (started_at, manager):
        with trio.fail_after(PATIENCE_S):
            await _until_ready(manager)
        return time.perf_counter() - started_at


@asynccontextmanager
async def _starting(installation: Installation) -> AsyncIterator[tuple[float, trio.socket.SocketType]]:
    """Start the daemon and yield when that was, and the socket of its service manager; kill it afterwards."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, _log_of(installation).open("ab") as log:
        manager.bind("")  # Linux gives it an abstract name
        notify = {"NOTIFY_SOCKET": "@" + manager.getsockname()[1:].decode()}
        started_at = time.perf_counter()
        async with child(installation.command, stderr=log, environment=notify):
            yield started_at, trio.socket.from_stdlib_socket(manager)


async def _until_ready(manager: trio.socket.SocketType) -> None:
    while "READY=1" not in (await manager.recv(4096)).decode().split("\n"):
        pass


async def _submit(installation: Installation, team_id: str) -> None:
    headers = {"Authorization": f"Bearer {installation.read_key()}"}
    # No TLS is spoken here: without `verify` no authorities are loaded, which would take long.
    async with httpx.AsyncClient(
        base_url=installation.url, headers=headers, trust_env=False, verify=False, timeout=PATIENCE_S
    ) as http:
        (await http.post("/v1/events", json=event(0) | {"teamId": team_id})).raise_for_status()


def _log_of(installation: Installation) -> Path:
    return installation.state_dir.parent / "daemon.telemetry.log"
