"""How long a start takes with a large backlog: until ready, until the first delivery, until the first event is taken.

Each start comes after a kill, with what the last one left in the write-ahead log, and finds the database in the page
cache.
"""

import socket
from dataclasses import dataclass, field

import trio

from tests.bench.arrival import reserve_port
from tests.bench.daemon import measured_installation
from tests.bench.disk_space import PENDING_BYTES, require_space
from tests.bench.figures import Figure
from tests.bench.filling import fill_backlog, fill_webhooks
from tests.bench.starting import PATIENCE_S, Start, measure_readiness, measure_start
from tests.bench.workbench import Bench, middle
from tests.support.process import Installation

_PENDING, _QUICK_PENDING = 1_000_000, 10_000
_SHAPES, _QUICK_SHAPES = (1_000, 50, 100_000), (100, 10, 1_000)
_EMPTY_GOAL_S, _READY_GOAL_S, _FIRST_GOAL_S = 0.6, 2, 3


@dataclass(frozen=True, slots=True)
class Backlog:
    """A filled installation, one of its teams, its receiver's port, and the starts from it."""

    webhooks: int
    a_team: str
    installation: Installation
    port: socket.socket
    starts: list[Start] = field(default_factory=list)


async def measure_recovery(bench: Bench) -> list[Figure]:
    """Measure starts with 1,000,000 pending deliveries over few and many webhooks, beside starts with none."""
    pending, shapes = (_QUICK_PENDING, _QUICK_SHAPES) if bench.quick else (_PENDING, _SHAPES)
    require_space(bench.directory, len(shapes) * pending * PENDING_BYTES)
    control, controls = measured_installation(bench, "control"), list[float]()
    fill_webhooks(control.state_dir, ())
    await trio.to_thread.run_sync(bench.store.take_over, control.state_dir)
    backlogs = [await _fill(bench, webhooks, pending // webhooks) for webhooks in shapes]
    try:
        for _ in range(bench.rounds):
            bench.advance("an empty database")
            controls.append(await measure_readiness(control))
            for backlog in backlogs:
                bench.advance(f"{backlog.webhooks:,} webhooks")
                backlog.starts.append(await measure_start(backlog.installation, backlog.a_team, backlog.port))
    finally:
        for installation in (control, *(backlog.installation for backlog in backlogs)):
            installation.close()
        for backlog in backlogs:
            backlog.port.close()
    floor = middle(controls)
    goal = f"at most {_EMPTY_GOAL_S} s"
    first = Figure("recovery, empty database, ready", floor, "s", "the control", None, goal, floor <= _EMPTY_GOAL_S)
    return [first, *(figure for backlog in backlogs for figure in _figures(backlog, pending, floor))]


async def _fill(bench: Bench, webhooks: int, per_webhook: int) -> Backlog:
    bench.advance(f"filling {webhooks:,} webhooks")
    port, installation = reserve_port(), measured_installation(bench, "recovery")
    url = f"http://127.0.0.1:{port.getsockname()[1]}/hooks"
    targets = await trio.to_thread.run_sync(
        fill_webhooks, installation.state_dir, [f"{url}/{number}" for number in range(webhooks)]
    )
    await trio.to_thread.run_sync(fill_backlog, installation.state_dir, targets, per_webhook)
    await trio.to_thread.run_sync(bench.store.take_over, installation.state_dir)
    return Backlog(webhooks, targets[0].team_id, installation, port)


def _figures(backlog: Backlog, pending: int, floor_s: float) -> list[Figure]:
    ready_s, delivery_s, receipt_s = (
        middle([getattr(start, measure) for start in backlog.starts])
        for measure in ("ready_s", "delivery_s", "receipt_s")
    )
    name = f"recovery, {pending:,} pending, {backlog.webhooks:,} webhooks"
    ready_goal, first_goal = f"at most {_READY_GOAL_S} s", f"at most {_FIRST_GOAL_S} s"
    in_vain = "waited in vain for longer" if delivery_s >= PATIENCE_S else ""
    return [
        Figure(f"{name}, ready", ready_s, "s", "", ready_s / floor_s, ready_goal, ready_s <= _READY_GOAL_S),
        Figure(f"{name}, first 202", receipt_s, "s"),
        Figure(f"{name}, first delivery", delivery_s, "s", in_vain, None, first_goal, delivery_s <= _FIRST_GOAL_S),
    ]
