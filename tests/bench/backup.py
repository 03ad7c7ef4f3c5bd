"""What a backup takes, and what the daemon's clients feel of it, with many old deliveries in the database.

The load is the same with and without backups: events at a fixed rate to 50 webhooks. During the load with backups one
follows the other until the load ends. The floor is a plain copy of the file, flushed, which is no backup while a daemon
runs.
"""

import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from daemon.maintenance.state_dir import DATABASE
from tests.bench.daemon import MeasuredDaemon, measured_daemon, measured_installation
from tests.bench.disk_space import SUCCEEDED_BYTES, require_space
from tests.bench.events import TEAMS, team_of
from tests.bench.figures import Figure, shown
from tests.bench.filling import fill_history, fill_webhooks
from tests.bench.nginx import nginx
from tests.bench.processes import run_json
from tests.bench.steady_load import Served, compare, rate_of, serve
from tests.bench.workbench import Bench, middle

_HISTORY, _QUICK_HISTORY = 1_000_000, 10_000
_WEBHOOKS = 1_000
_LOOK_EACH_S = 0.1
_NEVER_CONTACTED = "http://127.0.0.1:9/hooks"


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup: its size, its seconds, and how large the write-ahead log got meanwhile."""

    size: int
    seconds: float
    log_bytes: int


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured in turn."""

    plain_s: list[float] = field(default_factory=list)
    idle: list[Taken] = field(default_factory=list)
    loaded: list[Taken] = field(default_factory=list)
    without: list[Served] = field(default_factory=list)
    during: list[Served] = field(default_factory=list)


async def measure_backup(bench: Bench) -> list[Figure]:
    """Back up while the daemon has nothing to do, then under load; measure the same load alone."""
    history, rounds = _QUICK_HISTORY if bench.quick else _HISTORY, Rounds()
    require_space(bench.directory, 3 * history * SUCCEEDED_BYTES)
    bench.advance(f"filling {history:,} old deliveries")
    installation = measured_installation(bench, "backup")
    try:
        await trio.to_thread.run_sync(_fill, installation.state_dir, history)
        async with nginx(bench.fresh("nginx")) as receiver, measured_daemon(installation) as daemon:
            for number in range(TEAMS):
                await daemon.make_team(team_of(number))
                await daemon.make_webhook(team_of(number), f"{receiver.url}/hooks/{number}")
            for _ in range(bench.rounds):
                await _measure_round(bench, daemon, rounds)
    finally:
        installation.close()
    return [
        *_of_backups(rounds, history),
        *compare(f"backup, {rate_of(bench)} events/s", "during backups", rounds.without, rounds.during),
    ]


def _fill(state_dir: Path, history: int) -> None:
    targets = fill_webhooks(state_dir, [f"{_NEVER_CONTACTED}/{number}" for number in range(_WEBHOOKS)])
    fill_history(state_dir, targets, history // _WEBHOOKS)


async def _measure_round(bench: Bench, daemon: MeasuredDaemon, rounds: Rounds) -> None:
    bench.advance("a plain copy")
    rounds.plain_s.append(await trio.to_thread.run_sync(_copy_plainly, _database_of(daemon), _target(bench)))
    bench.advance("a backup while it is idle")
    rounds.idle.append(await _take(bench, daemon))
    bench.advance("the load alone")
    rounds.without.append(await serve(bench, daemon))
    bench.advance("backups under load")
    async with trio.open_nursery() as nursery:
        ended = trio.Event()
        nursery.start_soon(_take_until, bench, daemon, ended, rounds.loaded)
        rounds.during.append(await serve(bench, daemon))
        ended.set()


def _database_of(daemon: MeasuredDaemon) -> Path:
    return daemon.installation.state_dir / DATABASE


def _target(bench: Bench) -> Path:
    return bench.directory / "copy.db"


def _copy_plainly(source: Path, target: Path) -> float:
    began = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - began


async def _take_until(bench: Bench, daemon: MeasuredDaemon, ended: trio.Event, taken: list[Taken]) -> None:
    while not ended.is_set():
        taken.append(await _take(bench, daemon))


async def _take(bench: Bench, daemon: MeasuredDaemon) -> Taken:
    options = ["--state-dir", str(daemon.installation.state_dir), "--force", "--json"]
    command = [sys.executable, "-m", "daemon", "backup", str(_target(bench)), *options]
    log, sizes = _database_of(daemon).with_name(f"{DATABASE}-wal"), list[int]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, log, sizes)
        told: dict[str, Any] = await run_json(command)
        nursery.cancel_scope.cancel()
    return Taken(told["bytes"], told["durationMs"] / 1000, max(sizes))


async def _watch(log: Path, sizes: list[int]) -> None:
    while True:
        sizes.append((await trio.Path(log).stat()).st_size)
        await trio.sleep(_LOOK_EACH_S)


def _of_backups(rounds: Rounds, history: int) -> list[Figure]:
    idle_s, loaded_s = (middle([taken.seconds for taken in each]) for each in (rounds.idle, rounds.loaded))
    plain_s, log_mb = middle(rounds.plain_s), max(taken.log_bytes for taken in rounds.loaded) / 1e6
    name = f"backup, {history:,} old deliveries"
    return [
        Figure(f"{name}, size", middle([taken.size / 1e6 for taken in rounds.idle]), "MB"),
        Figure(f"{name}, idle", idle_s, "s", f"a plain copy {shown(plain_s)} s", idle_s / plain_s),
        Figure(f"{name}, under load", loaded_s, "s", f"the log grew to {shown(log_mb)} MB at most", loaded_s / plain_s),
    ]
