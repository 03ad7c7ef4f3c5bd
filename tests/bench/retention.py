"""What clients feel of the daemon's forgetting, with many deliveries in the database that are older than it keeps them.

The load is the same with and without: events at a fixed rate to 50 webhooks. Without, the daemon keeps all for ever.
"""

import time
from dataclasses import replace
from pathlib import Path

import trio

from tests.bench.daemon import MeasuredInstallation, measured_daemon, measured_installation
from tests.bench.disk_space import SUCCEEDED_BYTES, require_space
from tests.bench.events import TEAMS, team_of
from tests.bench.figures import Figure
from tests.bench.filling import fill_history, fill_webhooks
from tests.bench.nginx import nginx
from tests.bench.steady_load import Served, compare, rate_of, serve
from tests.bench.workbench import Bench, middle

_HISTORY, _QUICK_HISTORY = 1_000_000, 10_000
_WEBHOOKS = 1_000
_ENDED_DAYS_AGO = 31
_NEVER_CONTACTED = "http://127.0.0.1:9/hooks"


async def measure_retention(bench: Bench) -> list[Figure]:
    """Measure the load alone, then with old events being deleted all the while."""
    history = _QUICK_HISTORY if bench.quick else _HISTORY
    require_space(bench.directory, 2 * history * SUCCEEDED_BYTES)
    bench.advance(f"filling {history:,} old deliveries")
    installation = measured_installation(bench, "retention")
    without: list[Served] = []
    during: list[Served] = []
    forgotten: list[float] = []
    try:
        await trio.to_thread.run_sync(_fill, installation.state_dir, history)
        await trio.to_thread.run_sync(bench.store.take_over, installation.state_dir)
        async with nginx(bench.fresh("nginx")) as receiver:
            await _set_up(installation, receiver.url)
            for _ in range(bench.rounds):
                bench.advance("the load alone")
                without.append(await _load(bench, installation, days=0))
                bench.advance("forgetting under load")
                before, began = await _events(bench, installation), time.perf_counter()
                during.append(await _load(bench, installation, days=30))
                new = during[-1].accepted * 5 * bench.seconds
                forgotten.append((before + new - await _events(bench, installation)) / (time.perf_counter() - began))
    finally:
        installation.close()
    name = f"retention, {history:,} old deliveries"
    return [
        Figure(f"{name}, forgotten under load", middle(forgotten), "events/s"),
        *compare(f"{name}, {rate_of(bench)} events/s", "while forgetting", without, during),
    ]


def _fill(state_dir: Path, history: int) -> None:
    targets = fill_webhooks(state_dir, [f"{_NEVER_CONTACTED}/{number}" for number in range(_WEBHOOKS)])
    fill_history(state_dir, targets, history // _WEBHOOKS, _ENDED_DAYS_AGO)


async def _set_up(installation: MeasuredInstallation, url: str) -> None:
    async with measured_daemon(_keeping(installation, 0)) as daemon:
        for number in range(TEAMS):
            await daemon.make_team(team_of(number))
            await daemon.make_webhook(team_of(number), f"{url}/hooks/{number}")


async def _load(bench: Bench, installation: MeasuredInstallation, days: int) -> Served:
    async with measured_daemon(_keeping(installation, days)) as daemon:
        return await serve(bench, daemon)


def _keeping(installation: MeasuredInstallation, days: int) -> MeasuredInstallation:
    """Return the installation with a configuration of its own for this retention."""
    config = installation.config.with_name(f"retention-{days}.toml")
    config.write_text(f"{installation.config.read_text('utf-8')}\n[retention]\ndays = {days}\n", "utf-8")
    return replace(installation, config=config)


async def _events(bench: Bench, installation: MeasuredInstallation) -> int:
    query, counted = bench.store.query, "SELECT count(*) FROM events"
    [(count,)] = await trio.to_thread.run_sync(query, installation.state_dir, counted)
    return int(count)
