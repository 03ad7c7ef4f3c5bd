"""What others of its kind were measured with: 50 teams with a webhook each, single POSTs over 16 connections.

It is over when the last event has arrived at the receiver. The latency is measured at two fixed rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.events import EVENT_TYPE, TEAMS, team_of
from tests.bench.figures import Figure
from tests.bench.latency import LatencyTestbed, Percentiles, measure_latency, medians_of, running_testbed
from tests.bench.paced_load import AS_FAST_AS_ANSWERED, submit_paced
from tests.bench.workbench import Bench, middle

_EVENTS, _QUICK_EVENTS = 20_000, 1_000
_CONNECTIONS = 16
_RATES = (50, 200)
_SECONDS, _QUICK_SECONDS = 10, 2
# Milliseconds from the POST to the first byte, at the higher rate.
_GOALS = {"p95": 6, "p99": 9}


@dataclass(frozen=True, slots=True)
class Run:
    """One round: events, seconds from the first POST to the last arrival, the daemon's CPU seconds."""

    events: int
    seconds: float
    cpu_s: float


async def measure_peers(bench: Bench) -> list[Figure]:
    """Measure the rate and the cost of the whole way, then the latency at each of the rates."""
    runs = list[Run]()
    latencies = {per_second: list[Percentiles]() for per_second in _RATES}
    seconds = _QUICK_SECONDS if bench.quick else _SECONDS
    for _ in range(bench.rounds):
        bench.advance("as fast as they are answered")
        async with running_testbed(bench) as testbed:
            runs.append(await _measure_run(testbed, _QUICK_EVENTS if bench.quick else _EVENTS))
        for per_second, measured in latencies.items():
            bench.advance(f"{per_second} events/s")
            async with running_testbed(bench) as testbed:
                measured.append((await measure_latency(testbed, per_second, seconds)).from_post)
    return [*_whole_way(runs), *(each for rate, rounds in latencies.items() for each in _latency(rate, rounds))]


async def _measure_run(testbed: LatencyTestbed, events: int) -> Run:
    daemon = testbed.daemon
    await daemon.submit([{"event": EVENT_TYPE, "teamId": team_of(number), "data": {}} for number in range(TEAMS)])
    await daemon.until_succeeded(TEAMS)
    before = daemon.usage().cpu_s
    answered = await submit_paced(daemon, AS_FAST_AS_ANSWERED, events, connections=_CONNECTIONS)
    await daemon.until_succeeded(TEAMS + events)
    cpu_s = daemon.usage().cpu_s - before
    arrived: dict[str, int] = await testbed.receiver.finish()
    if missing := answered.keys() - arrived.keys():
        raise RuntimeError(f"{len(missing)} of {events} events did not arrive")
    return Run(events, (max(arrived.values()) - min(sent for sent, _ in answered.values())) / 1e9, cpu_s)


def _whole_way(runs: Sequence[Run]) -> list[Figure]:
    note = f"{_CONNECTIONS} connections, {TEAMS} webhooks, {runs[0].events:,} events"
    return [
        Figure("peers' protocol, end to end", middle([run.events / run.seconds for run in runs]), "events/s", note),
        Figure("peers' protocol, CPU of one event", middle([run.cpu_s / run.events * 1e6 for run in runs]), "µs"),
    ]


def _latency(per_second: int, rounds: Sequence[Percentiles]) -> list[Figure]:
    whole = medians_of(rounds)
    measured = {"p50": whole.p50, "p95": whole.p95, "p99": whole.p99}
    return [_share(per_second, share, taken_ms) for share, taken_ms in measured.items()]


def _share(per_second: int, share: str, taken_ms: float) -> Figure:
    measure = f"peers' protocol, POST to first byte at {per_second}/s, {share}"
    if per_second != _RATES[-1] or share not in _GOALS:
        return Figure(measure, taken_ms, "ms")
    most_ms = _GOALS[share]
    return Figure(measure, taken_ms, "ms", "", None, f"at most {most_ms} ms", taken_ms <= most_ms)
