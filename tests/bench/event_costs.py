"""What one event costs on a given database: delivered from a backlog, accepted alone, accepted in a batch."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from tests.bench.accept import target_of
from tests.bench.daemon import MeasuredDaemon, measured_daemon, measured_installation
from tests.bench.events import event
from tests.bench.workbench import Bench
from tests.bench.wrk import post

_BATCH, _CONNECTIONS, _BATCH_CONNECTIONS = 500, 16, 4
MEASURES = ("delivery", "event accepted, single", f"event accepted, batches of {_BATCH}")
_SECONDS, _QUICK_SECONDS = 2, 1
_NO_DEADLINE = {"delivery": {"timeout_s": 3600}}


@dataclass(frozen=True, slots=True)
class Cost:
    """One event's: the daemon's CPU microseconds, and the microseconds that went by."""

    cpu_us: float
    wall_us: float


async def measure_costs(bench: Bench, state_dir: Path, backlog: int, silent_teams: Sequence[str]) -> list[Cost]:
    """Return the costs of the MEASURES, on a copy of the state directory, in which so many deliveries are pending.

    The new events are for these teams: each has one webhook, whose receiver never answers.
    """
    installation = measured_installation(bench, "growth", _NO_DEADLINE)
    try:
        await trio.to_thread.run_sync(bench.store.copy, state_dir, installation.state_dir)
        async with measured_daemon(installation) as daemon:
            delivering = await _deliver(daemon, backlog)
            singles = [json.dumps(each) for each in _events(silent_teams, len(silent_teams))]
            single = await _accept(bench, daemon, "/v1/events", singles, _CONNECTIONS, 1)
            batch = [json.dumps(_events(silent_teams, _BATCH))]
            batched = await _accept(bench, daemon, "/v1/events/batch", batch, _BATCH_CONNECTIONS, _BATCH)
        return [delivering, single, batched]
    finally:
        installation.close()
        await trio.to_thread.run_sync(bench.store.remove, installation.state_dir)


async def _deliver(daemon: MeasuredDaemon, backlog: int) -> Cost:
    """Measure from the first tenth on: what comes before is the start's cost."""
    await daemon.until_succeeded(backlog // 10)
    first = (await daemon.counts())['deliveries_total{status="succeeded"}']
    cpu_s, began = daemon.usage().cpu_s, time.perf_counter()
    if first > backlog // 2:
        raise RuntimeError(f"{first:,.0f} of {backlog:,} deliveries succeeded unmeasured: more have to be pending")
    await daemon.until_succeeded(backlog)
    return _cost(daemon.usage().cpu_s - cpu_s, time.perf_counter() - began, backlog - first)


async def _accept(
    bench: Bench, daemon: MeasuredDaemon, path: str, lines: Sequence[str], connections: int, size: int
) -> Cost:
    bodies = bench.directory / "bodies"
    bodies.write_text("\n".join(lines) + "\n", "utf-8")
    load = await post(target_of(daemon), path, bodies, connections, _QUICK_SECONDS if bench.quick else _SECONDS)
    return _cost(load.cpu_s, load.seconds, load.requests * size)


def _events(team_ids: Sequence[str], count: int) -> list[dict[str, Any]]:
    return [event(number) | {"teamId": team_ids[number % len(team_ids)]} for number in range(count)]


def _cost(cpu_s: float, seconds: float, events: float) -> Cost:
    return Cost(cpu_s / events * 1e6, seconds / events * 1e6)
