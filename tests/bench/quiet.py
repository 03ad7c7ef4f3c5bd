"""What a daemon uses when little or nothing happens: CPU time, and how often its threads are woken.

Single events for 50 teams with a webhook each, submitted at a fixed rate and delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import trio

from tests.bench.daemon import MeasuredDaemon
from tests.bench.events import EVENT_TYPE, TEAMS, team_of
from tests.bench.figures import Figure
from tests.bench.latency import running_testbed
from tests.bench.paced_load import submit_paced
from tests.bench.usage import cpu_s_of, switches_between, switches_of
from tests.bench.workbench import Bench, middle

_RATES, _QUICK_RATES = (0, 1, 10, 50, 200), (0, 10, 50)
_SECONDS, _QUICK_SECONDS = 10, 2
# After it the daemon has nothing left to do.
_SETTLE_S = 1
_MOST_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Quiet:
    """What one round of a rate came to, in so many seconds."""

    events: int
    seconds: float
    cpu_s: float
    switches: int


async def measure_quiet(bench: Bench) -> list[Figure]:
    """Measure a daemon that is idle, and one with more and more events a second."""
    rates = _QUICK_RATES if bench.quick else _RATES
    rounds = {per_second: list[Quiet]() for per_second in rates}
    for _ in range(bench.rounds):
        async with running_testbed(bench) as testbed:
            await _deliver_to_each(testbed.daemon)
            for per_second, measured in rounds.items():
                bench.advance(_name(per_second))
                await trio.sleep(_SETTLE_S)
                seconds = _QUICK_SECONDS if bench.quick else _SECONDS
                measured.append(await _measure_rate(testbed.daemon, per_second, seconds))
    return [figure for per_second, measured in rounds.items() for figure in _figures(per_second, measured)]


async def _deliver_to_each(daemon: MeasuredDaemon) -> None:
    """Give each webhook its first delivery, and its connection."""
    await daemon.submit([{"event": EVENT_TYPE, "teamId": team_of(number), "data": {}} for number in range(TEAMS)])
    await daemon.until_succeeded(TEAMS)


async def _measure_rate(daemon: MeasuredDaemon, per_second: int, seconds: int) -> Quiet:
    pid, events = daemon.process.pid, per_second * seconds
    cpu_s, switches, began = cpu_s_of(pid), switches_of(pid), perf_counter()
    if events:
        connections = max(1, min(per_second // 10, _MOST_CONNECTIONS))
        await submit_paced(daemon, per_second, events, connections=connections)
    await trio.sleep(max(began + seconds - perf_counter(), 0))
    taken_s = perf_counter() - began
    return Quiet(events, taken_s, cpu_s_of(pid) - cpu_s, switches_between(switches, switches_of(pid)))


def _figures(per_second: int, rounds: Sequence[Quiet]) -> list[Figure]:
    name = _name(per_second)
    figures = [
        Figure(f"{name}, CPU in a second", middle([each.cpu_s / each.seconds * 1e3 for each in rounds]), "ms"),
        Figure(f"{name}, wake-ups", middle([each.switches / each.seconds for each in rounds]), "a second"),
    ]
    if per_second:
        cpu_us = middle([each.cpu_s / each.events * 1e6 for each in rounds])
        figures.append(Figure(f"{name}, CPU of one event", cpu_us, "µs"))
    return figures


def _name(per_second: int) -> str:
    return f"quiet load, {per_second} events/s" if per_second else "quiet load, idle"
