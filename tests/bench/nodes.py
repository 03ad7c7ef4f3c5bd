"""What an event costs on several nodes that share a PostgreSQL database, beside one process on an SQLite file.

The same events a second, split among the nodes, for 50 teams with a webhook each, until all are delivered. The
server's CPU time is told apart: it flushes each commit, as it would for a customer.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from daemon.files.private_file import write_private_file
from tests.bench.daemon import MeasuredDaemon, measured_daemon, measured_installation
from tests.bench.events import TEAMS, team_of
from tests.bench.figures import Figure
from tests.bench.nginx import nginx
from tests.bench.paced_load import submit_paced
from tests.bench.stores import SQLITE
from tests.bench.usage import cpu_s_of
from tests.bench.workbench import Bench, middle
from tests.cluster.chaos.server import Server, open_server

_COUNTS = (0, 1, 2, 3)  # 0: one process on SQLite
_RATE, _QUICK_RATE = 600, 60
_SECONDS, _QUICK_SECONDS = 8, 2
# After it the nodes share the webhooks evenly.
_SHARED_AFTER_S = 4
_CONNECTIONS = 16
_MOST_OF_ONE, _MOST_OF_SQLITE, _MOST_OF_SERVER_US = 1.2, 1.0, 250
# Any 32 bytes, and a key.
_KEYS = {
    "operator.key": "kwh_the-operator-of-the-bench\n",
    "encryption.key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
}


@dataclass(slots=True)
class Costs:
    """What one event cost the nodes together, and the server, in each round (µs of CPU)."""

    nodes_us: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)


async def measure_nodes(bench: Bench) -> list[Figure]:
    """Measure one process on SQLite, then one, two and three nodes on PostgreSQL."""
    costs, bench = {count: Costs() for count in _COUNTS}, replace(bench, store=SQLITE)  # each has a server of its own
    for _ in range(bench.rounds):
        for count in _COUNTS:
            bench.advance(_name(count))
            async with _running(bench, count) as (daemons, server):
                await _measure(bench, daemons, server, costs[count])
    sqlite, one = middle(costs[0].nodes_us), middle(costs[1].nodes_us)
    figures = [Figure(f"{_name(0)}, CPU of one event", sqlite, "µs")]
    for count in _COUNTS[1:]:
        goal, base = (_MOST_OF_SQLITE, sqlite) if count == 1 else (_MOST_OF_ONE, one)
        figures += _figures(count, costs[count], base=base, goal=goal)
    return figures


def _figures(count: int, costs: Costs, base: float, goal: float) -> list[Figure]:
    nodes_us, server_us = middle(costs.nodes_us), middle(costs.server_us)
    ratio, of_what = nodes_us / base, "SQLite" if count == 1 else "one node"
    words = f"at most {goal} of {of_what}"
    return [
        Figure(f"{_name(count)}, CPU of one event", nodes_us, "µs", "", ratio, words, ratio <= goal),
        Figure(
            f"{_name(count)}, the server's CPU of one event",
            server_us,
            "µs",
            goal=f"at most {_MOST_OF_SERVER_US} µs",
            met=server_us <= _MOST_OF_SERVER_US,
        ),
    ]


async def _measure(bench: Bench, daemons: Sequence[MeasuredDaemon], server: Server | None, costs: Costs) -> None:
    rate, seconds = (_QUICK_RATE, _QUICK_SECONDS) if bench.quick else (_RATE, _SECONDS)
    events = rate * seconds // len(daemons)
    before, server_before = _cpu_s(daemons), _server_cpu_s(server)
    async with trio.open_nursery() as nursery:
        for daemon in daemons:
            nursery.start_soon(_submit, daemon, rate / len(daemons), events)
    total = events * len(daemons)
    await _until_delivered(daemons, total)
    costs.nodes_us.append((_cpu_s(daemons) - before) / total * 1e6)
    costs.server_us.append((_server_cpu_s(server) - server_before) / total * 1e6)


async def _submit(daemon: MeasuredDaemon, rate: float, events: int) -> None:
    await submit_paced(daemon, rate, events, connections=_CONNECTIONS)


async def _until_delivered(daemons: Sequence[MeasuredDaemon], events: int) -> None:
    with trio.fail_after(60):
        while await _delivered(daemons) < events:  # noqa: ASYNC110 - another process delivers
            await trio.sleep(0.2)


async def _delivered(daemons: Sequence[MeasuredDaemon]) -> float:
    return sum([(await daemon.counts())['deliveries_total{status="succeeded"}'] for daemon in daemons])


def _cpu_s(daemons: Sequence[MeasuredDaemon]) -> float:
    return sum(cpu_s_of(daemon.process.pid) for daemon in daemons)


def _server_cpu_s(server: Server | None) -> float:
    """Return the CPU seconds of the server's processes; those that ended count with the one that started them."""
    if server is None:
        return 0
    main = int((server.data / "postmaster.pid").read_text("ascii").split()[0])
    children = Path(f"/proc/{main}/task/{main}/children").read_text("ascii").split()
    return sum(cpu_s_of(pid) for pid in (main, *map(int, children)))


@asynccontextmanager
async def _running(bench: Bench, count: int) -> AsyncIterator[tuple[Sequence[MeasuredDaemon], Server | None]]:
    """Run so many nodes on a new database, 0 for one process on SQLite, with webhooks whose receiver answers."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(nginx(bench.fresh("nginx")))
        server = await stack.enter_async_context(open_server()) if count else None
        store = {} if server is None else {"store": {"url": server.url()}}
        daemons = []
        for number in range(max(1, count)):
            installation = measured_installation(bench, "node", store)
            stack.callback(installation.close)
            _write_keys(installation.state_dir)
            daemons.append(await stack.enter_async_context(measured_daemon(installation)))
            if number == 0:
                for team in range(TEAMS):
                    await daemons[0].make_team(team_of(team))
                    await daemons[0].make_webhook(team_of(team), f"{receiver.url}/hooks/{team}")
        await trio.sleep(_SHARED_AFTER_S if count > 1 else 1)
        yield daemons, server


def _write_keys(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700, exist_ok=True)
    for name, key in _KEYS.items():
        if not (state_dir / name).exists():
            write_private_file(state_dir / name, key)


def _name(count: int) -> str:
    return f"nodes, {count} on PostgreSQL" if count else "nodes, one process on SQLite"
