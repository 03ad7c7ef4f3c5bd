"""The whole daemon behind a real socket, in a thread of its own: for clients that know no Trio."""

import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import trio

from api.app import create_app
from tests.support.api_client import RunningApi, running_api
from tests.support.api_server import Served, serving


@dataclass(frozen=True, slots=True)
class LiveApi:
    """Where it listens, with the fast lane and without, and what is in it."""

    url: str
    general_url: str
    operator_key: str
    known_ids: Mapping[str, str]


@contextmanager
def live_api(state_dir: Path) -> Iterator[LiveApi]:
    """Run the daemon and its API until the block is left. Raises what ends it, and fails if it logged a fault."""
    token: trio.lowlevel.TrioToken | None = None
    faults: list[dict[str, object]] = []
    ready: SimpleQueue[LiveApi | BaseException] = SimpleQueue()
    stop = trio.Event()

    async def main() -> None:
        nonlocal token
        token = trio.lowlevel.current_trio_token()
        async with running_api(state_dir) as api, _served_both_ways(api) as (served, general):
            ready.put(await _furnish(api, served.url, general.url))
            await stop.wait()
            faults.extend(
                [*served.log_lines(), *general.log_lines(), *api.daemon.log_lines("api_error", "actor_restarted")]
            )

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:
            ready.put(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        live = ready.get(timeout=30)
        if isinstance(live, BaseException):
            raise live
        yield live
    finally:
        if token is not None:
            token.run_sync_soon(stop.set)
        thread.join(timeout=30)
    assert not faults, faults


@asynccontextmanager
async def _served_both_ways(api: RunningApi) -> AsyncIterator[tuple[Served, Served]]:
    app = create_app(api.handles)
    async with serving(app, fast_lane=True) as served, serving(app, fast_lane=False) as general:
        yield served, general


async def _furnish(api: RunningApi, url: str, general_url: str) -> LiveApi:
    await api.operator.post("/v1/teams", {"id": "team_acme", "name": "Acme of the examples"})
    webhook = await api.webhook()
    event_id = await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]
    key = api.operator.key
    assert key is not None
    known = {"team_id": api.acme.id, "webhook_id": webhook["id"], "delivery_id": delivery["id"], "event_id": event_id}
    return LiveApi(url, general_url, operator_key=key, known_ids=known)
