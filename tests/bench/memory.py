"""What a webhook costs in memory, idle and active, and what a large backlog costs: the daemon's resident set."""

import resource
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from tests.bench.daemon import MeasuredDaemon, MeasuredInstallation, measured_daemon, measured_installation
from tests.bench.disk_space import PENDING_BYTES, require_space
from tests.bench.events import EVENT_TYPE, event
from tests.bench.figures import Figure, shown
from tests.bench.filling import fill_backlog, fill_webhooks
from tests.bench.nginx import nginx
from tests.bench.processes import server
from tests.bench.workbench import Bench

_FEW, _IDLE, _PER_TEAM = 10, 100_000, 10
_ACTIVE, _BATCH, _WAVES = 5_000, 500, 2
_PENDING, _PENDING_WEBHOOKS = 1_000_000, 1_000
_IDLE_GOAL_BYTES, _ACTIVE_GOAL_BYTES, _PENDING_GOAL_BYTES = 600, 40_000, 150_000_000
# Longer than the deadline of an attempt, so that all time out once.
_HANGING_S, _DRAINING_S = 15, 20
_SETTLE_S = 1
_NEVER_CONTACTED = "http://127.0.0.1:9/hooks"
# What else than connections the daemon and nginx have open.
_OTHER_DESCRIPTORS = 200
_KEPT = {"delivery": {"idle_connection_s": 600, "idle_actor_s": 600}}
_SUBSCRIPTIONS = {
    "2 event types": (EVENT_TYPE, "linkedin.message.sent"),
    "all event types": ("*",),
}


async def measure_memory(bench: Bench) -> list[Figure]:
    """Measure idle webhooks, then active ones, then 1,000,000 pending deliveries."""
    return [*await _measure_idle(bench), await _measure_active(bench), *await _measure_pending(bench)]


async def _measure_idle(bench: Bench) -> list[Figure]:
    webhooks = 10_000 if bench.quick else _IDLE
    figures = []
    for subscription, types in _SUBSCRIPTIONS.items():
        bench.advance(f"{webhooks:,} idle webhooks, {subscription}")
        few, many = [await _resident_with(bench, count, types) for count in (_FEW, webhooks)]
        each, goal = (many - few) / webhooks, f"at most {_IDLE_GOAL_BYTES} bytes"
        note = f"{shown(many / 1e6)} MB with {webhooks:,}, {shown(few / 1e6)} MB with {_FEW}"
        measure = f"memory, registered idle webhook, {subscription}"
        figures.append(Figure(measure, each, "bytes", note, None, goal, each <= _IDLE_GOAL_BYTES))
    return figures


async def _resident_with(bench: Bench, webhooks: int, types: Sequence[str]) -> int:
    urls = [f"{_NEVER_CONTACTED}/{number}" for number in range(webhooks)]
    installation = measured_installation(bench, "idle")
    try:
        await trio.to_thread.run_sync(
            partial(fill_webhooks, installation.state_dir, urls, per_team=_PER_TEAM, types=types)
        )
        await trio.to_thread.run_sync(bench.store.take_over, installation.state_dir)
        async with measured_daemon(installation) as daemon:
            await trio.sleep(_SETTLE_S)
            return daemon.usage().resident_bytes
    finally:
        installation.close()


async def _measure_active(bench: Bench) -> Figure:
    webhooks = min(200 if bench.quick else _ACTIVE, _raise_descriptor_limit() - _OTHER_DESCRIPTORS)
    bench.advance(f"{webhooks:,} active webhooks")
    installation = measured_installation(bench, "active", _KEPT)
    try:
        async with nginx(bench.fresh("nginx")) as receiver:
            urls = [f"{receiver.url}/hooks/{number}" for number in range(webhooks)]
            targets = await trio.to_thread.run_sync(fill_webhooks, installation.state_dir, urls)
            await trio.to_thread.run_sync(bench.store.take_over, installation.state_dir)
            async with measured_daemon(installation) as daemon:
                before = daemon.usage().resident_bytes
                for wave in range(1, _WAVES + 1):
                    await _submit_to_each(daemon, [target.team_id for target in targets])
                    await daemon.until_succeeded(wave * webhooks)
                after = daemon.usage().resident_bytes
                _require_connections(daemon, webhooks)
    finally:
        installation.close()
    each, goal = (after - before) / webhooks, f"at most {_ACTIVE_GOAL_BYTES // 1000} KB"
    note = f"{shown(after / 1e6)} MB with {webhooks:,}, each with its kept connection"
    return Figure("memory, active webhook", each / 1000, "KB", note, None, goal, each <= _ACTIVE_GOAL_BYTES)


async def _submit_to_each(daemon: MeasuredDaemon, team_ids: Sequence[str]) -> None:
    for first in range(0, len(team_ids), _BATCH):
        chosen = team_ids[first : first + _BATCH]
        await daemon.submit([event(number) | {"teamId": team_id} for number, team_id in enumerate(chosen, first)])


def _require_connections(daemon: MeasuredDaemon, webhooks: int) -> None:
    descriptors = sum(1 for _ in Path(f"/proc/{daemon.process.pid}/fd").iterdir())
    if descriptors < webhooks:
        raise RuntimeError(f"only {descriptors} descriptors are open: not every webhook has kept its connection")


async def _measure_pending(bench: Bench) -> list[Figure]:
    webhooks, pending = (100, 10_000) if bench.quick else (_PENDING_WEBHOOKS, _PENDING)
    require_space(bench.directory, pending * PENDING_BYTES)
    installation = measured_installation(bench, "pending")
    try:
        async with server("hanging_receiver") as hanging, nginx(bench.fresh("nginx")) as receiver:
            bench.advance(f"filling {pending:,} pending deliveries")
            targets = await trio.to_thread.run_sync(fill_webhooks, installation.state_dir, [hanging.url] * webhooks)
            await trio.to_thread.run_sync(fill_backlog, installation.state_dir, targets, pending // webhooks)
            await trio.to_thread.run_sync(bench.store.take_over, installation.state_dir)
            bench.advance("receivers that hang")
            measure = f"memory, {pending:,} pending over {webhooks:,} webhooks"
            hung = await _peak_while_running(
                installation, f"{measure}, receivers hang", 2 if bench.quick else _HANGING_S
            )
            bench.store.redirect(installation.state_dir, receiver.url)
            bench.advance("draining")
            drained = await _peak_while_running(installation, f"{measure}, draining", 2 if bench.quick else _DRAINING_S)
            return [hung, drained]
    finally:
        installation.close()


async def _peak_while_running(installation: MeasuredInstallation, measure: str, seconds: float) -> Figure:
    async with measured_daemon(installation) as daemon:
        await trio.sleep(seconds)
        counts, usage = await daemon.counts(), daemon.usage()
    peak, resident = usage.peak_bytes / 1e6, usage.resident_bytes / 1e6
    succeeded = counts['deliveries_total{status="succeeded"}']
    note = f"peak; {shown(resident)} MB after {seconds} s, {succeeded:,.0f} succeeded"
    goal = f"at most {_PENDING_GOAL_BYTES // 1_000_000} MB"
    return Figure(measure, peak, "MB", note, None, goal, usage.peak_bytes <= _PENDING_GOAL_BYTES)


def _raise_descriptor_limit() -> int:
    """Take all the descriptors that we may, for nginx, which inherits it; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
