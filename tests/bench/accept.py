"""What accepting costs: POST /v1/events, single and in batches, until the commit.

Each event is for one webhook whose receiver never answers: its delivery is made and stored, and nothing is delivered.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.bench.daemon import MeasuredDaemon, measured_daemon, measured_installation
from tests.bench.events import TEAMS, team_of, write_batch, write_singles
from tests.bench.figures import Figure, shown
from tests.bench.processes import Server, server
from tests.bench.workbench import Bench
from tests.bench.wrk import Load, Target, cpu_us, post, rate

CONNECTIONS = (1, 16, 64)
USUAL_CONNECTIONS = 16
_BATCH = 500
_BATCH_CONNECTIONS = 4
# No attempt ends while it is measured.
_NO_DEADLINE = {"delivery": {"timeout_s": 3600}}

Loads = dict[int, list[Load]]


async def measure_accept(bench: Bench) -> list[Figure]:
    """Measure single events over 1, 16 and 64 connections, each beside the floor, and batches."""
    ours: Loads = {connections: [] for connections in CONNECTIONS}
    floor: Loads = {connections: [] for connections in CONNECTIONS}
    batches: list[Load] = []
    batch = write_batch(bench.directory / "batch", _BATCH)
    async with accepting_daemon(bench) as daemon, AsyncExitStack() as stack:
        loop = await stack.enter_async_context(server("floor_accept")) if bench.floors else None
        for _ in range(bench.rounds):
            for connections in CONNECTIONS:
                if loop is not None:
                    bench.advance(f"{_over(connections)}, the floor")
                    floor[connections].append(await accept_singles(bench, _floor_target(loop), connections))
                bench.advance(_over(connections))
                ours[connections].append(await accept_singles(bench, target_of(daemon), connections))
            bench.advance(f"batches of {_BATCH}")
            path = "/v1/events/batch"
            batches.append(await post(target_of(daemon), path, batch, _BATCH_CONNECTIONS, bench.seconds))
    return [*_singles(ours, floor), *_batches(batches, ours[USUAL_CONNECTIONS])]


@asynccontextmanager
async def accepting_daemon(bench: Bench) -> AsyncIterator[MeasuredDaemon]:
    """Run a daemon with a webhook for each team, whose receiver takes everything and never answers."""
    installation = measured_installation(bench, "accept", _NO_DEADLINE)
    try:
        async with server("hanging_receiver") as receiver, measured_daemon(installation) as daemon:
            for number in range(TEAMS):
                await daemon.make_team(team_of(number))
                await daemon.make_webhook(team_of(number), receiver.url)
            yield daemon
    finally:
        installation.close()


def target_of(daemon: MeasuredDaemon) -> Target:
    """Return the daemon as the target of a load, by its operator."""
    return Target(daemon.process.pid, daemon.url, daemon.installation.read_key())


async def accept_singles(bench: Bench, target: Target, connections: int) -> Load:
    """Measure one round of single events."""
    bodies = write_singles(bench.directory / "singles")
    return await post(target, "/v1/events", bodies, connections, bench.seconds)


def _floor_target(loop: Server) -> Target:
    return Target(loop.process.pid, loop.url, "none")


def _singles(ours: Loads, floor: Loads) -> list[Figure]:
    return [
        *(_single(connections, ours[connections], floor[connections]) for connections in CONNECTIONS),
        *(_cpu(connections, ours[connections], floor[connections]) for connections in CONNECTIONS),
    ]


def _single(connections: int, ours: list[Load], floor: list[Load]) -> Figure:
    measure = f"accept, single, {_over(connections)}"
    if not floor:
        return Figure(measure, rate(ours), "events/s")
    note = f"floor {shown(rate(floor))} requests/s"
    return Figure(measure, rate(ours), "events/s", note, rate(ours) / rate(floor))


def _cpu(connections: int, ours: list[Load], floor: list[Load]) -> Figure:
    measure = f"accept, CPU of one event, {_over(connections)}"
    if not floor:
        return Figure(measure, cpu_us(ours), "µs")
    note = f"floor {shown(cpu_us(floor))} µs"
    return Figure(measure, cpu_us(ours), "µs", note, cpu_us(ours) / cpu_us(floor))


def _batches(batches: list[Load], singles: list[Load]) -> list[Figure]:
    ratio = rate(batches) * _BATCH / rate(singles)
    measure, note = f"accept, batches of {_BATCH}", f"{_over(_BATCH_CONNECTIONS)}; ratio to single"
    return [
        Figure(measure, rate(batches) * _BATCH, "events/s", note, ratio),
        Figure(f"{measure}, CPU of one event", cpu_us(batches) / _BATCH, "µs"),
    ]


def _over(connections: int) -> str:
    return f"{connections} connection{'' if connections == 1 else 's'}"
