"""One API served with the fast lane and without, and requests that go both ways."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import trio

from api.app import create_app
from api.server.connection import Patience
from tests.security.http_fuzz import LAST
from tests.security.lane_requests import any_request, comparable, torn
from tests.support.api_client import RunningApi, running_api
from tests.support.api_server import Served, read_to_end, serving
from tests.support.daemon import make_settings

_PATIENT = Patience(idle_s=5)  # a loaded machine may be slow to send


@dataclass(frozen=True, slots=True)
class BothWays:
    """One application, served with the fast lane and without."""

    api: RunningApi
    lane: Served
    general: Served

    async def answers(self, pieces: Sequence[bytes], pause_s: float = 0) -> tuple[bytes, bytes]:
        """Send these pieces both ways; return what came until the end, made comparable."""
        return (
            comparable(await answers_of(self.lane, pieces, pause_s)),
            comparable(await answers_of(self.general, pieces, pause_s)),
        )

    def faults(self) -> list[dict[str, object]]:
        return [*self.lane.log_lines(), *self.general.log_lines(), *self.api.daemon.log_lines("api_error")]


async def answers_of(served: Served, pieces: Sequence[bytes], pause_s: float = 0) -> bytes:
    """Send these pieces, and a request that ends the connection, on one connection; return what came until the end."""
    async with await served.connect() as stream:
        for piece in (*pieces, LAST.raw):
            try:
                await stream.send_all(piece)
            except trio.BrokenResourceError:
                break
            if pause_s:
                await trio.sleep(pause_s)
        with trio.fail_after(20):
            try:
                return await read_to_end(stream)
            except trio.BrokenResourceError:
                return b"reset"


@asynccontextmanager
async def served_both_ways(state_dir: Path) -> AsyncIterator[BothWays]:
    """Run a daemon and serve its API both ways."""
    settings = make_settings(state_dir, api={"rate_limit_per_s": 0})  # else who comes first would be answered otherwise
    async with running_api(state_dir, settings=settings) as api:
        app = create_app(api.handles)
        async with serving(app, patience=_PATIENT) as lane, serving(app, patience=_PATIENT, fast_lane=False) as general:
            yield BothWays(api, lane, general)


async def compare(
    both: BothWays, seed: int, requests: int, advance: Callable[[], None] = lambda: None
) -> list[tuple[bytes, bytes, bytes]]:
    """Send so many requests both ways, most of them torn; return those that got two answers."""
    random, limiter = Random(seed), trio.CapacityLimiter(40)
    unlike: list[tuple[bytes, bytes, bytes]] = []

    async def send(request: bytes, pieces: list[bytes]) -> None:
        async with limiter:
            lane, general = await both.answers(pieces, 0.001 if len(pieces) > 1 else 0)
            advance()
            if lane != general:
                unlike.append((request[:400], lane, general))

    async with trio.open_nursery() as nursery:
        for _ in range(requests):
            request = any_request(random, both.api.as_acme.key or "")
            cuts = [random.randrange(len(request)) for _ in range(random.choice((0, 0, 1, 3)))]
            nursery.start_soon(send, request, torn(request, cuts))
    return unlike
