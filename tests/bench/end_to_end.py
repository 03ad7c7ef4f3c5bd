"""From the POST to the committed success: how many events a second, and how soon each is at its receiver."""

from dataclasses import dataclass, field

from tests.bench.accept import accept_singles, accepting_daemon, target_of
from tests.bench.backlog import Backlog, Drained, drain
from tests.bench.backlog import cpu_us as drain_cpu_us
from tests.bench.drain import usual_backlog
from tests.bench.figures import Figure, shown
from tests.bench.latency import Latency, measure_latency, medians, running_testbed
from tests.bench.nginx import Receiver, nginx
from tests.bench.sustained import Flow, find_sustained, measure_flow
from tests.bench.workbench import Bench, middle
from tests.bench.wrk import Load
from tests.bench.wrk import cpu_us as accept_cpu_us

_P50_MS, _P99_MS = 3, 25


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured in turn."""

    accepted: list[Load] = field(default_factory=list)
    drained: list[Drained] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)


async def measure_end_to_end(bench: Bench) -> list[Figure]:
    """Measure the sustained rate beside the costs of accepting and delivering, then the latency at half that rate."""
    rounds, latencies = Rounds(), list[Latency]()
    async with nginx(bench.fresh("nginx")) as receiver:
        connections = (await find_sustained(bench, receiver)).connections
        backlog = await usual_backlog(bench, receiver)
        for _ in range(bench.rounds):
            await _measure_round(bench, receiver, backlog, connections, rounds)
    if not bench.floors:
        return _rates(rounds, connections)  # two trees would have their latencies at two rates
    half = _delivered(rounds) / 2
    for _ in range(bench.rounds):
        bench.advance(f"latency at {shown(half)} events/s")
        async with running_testbed(bench) as testbed:
            latencies.append(await measure_latency(testbed, half, 2 * bench.seconds))
    return [*_rates(rounds, connections), *_latencies(medians(latencies), half)]


async def _measure_round(bench: Bench, receiver: Receiver, backlog: Backlog, connections: int, rounds: Rounds) -> None:
    bench.advance("the cost of accepting")
    async with accepting_daemon(bench) as daemon:
        rounds.accepted.append(await accept_singles(bench, target_of(daemon), connections))
    bench.advance("the cost of delivering")
    rounds.drained.append(await drain(bench, backlog))
    bench.advance("end to end")
    rounds.flows.append(await measure_flow(bench, receiver, connections))


def _delivered(rounds: Rounds) -> float:
    return middle([flow.delivered for flow in rounds.flows])


def _rates(rounds: Rounds, connections: int) -> list[Figure]:
    accept_us, deliver_us = accept_cpu_us(rounds.accepted), drain_cpu_us(rounds.drained)
    allowed = 1e6 / (accept_us + deliver_us)
    ratio = _delivered(rounds) / allowed
    growth = middle([flow.accepted - flow.delivered for flow in rounds.flows])
    note = (
        f"{connections} connections, 50 webhooks, backlog {growth:+.0f}/s; the costs {shown(accept_us)} + "
        f"{shown(deliver_us)} µs of CPU allow {shown(allowed)}/s"
    )
    goal = "at least 0.8 of what the costs allow"
    return [Figure("end to end, sustained", _delivered(rounds), "events/s", note, ratio, goal, ratio >= 0.8)]


def _latencies(latency: Latency, rate: float) -> list[Figure]:
    asked, whole = latency.from_202, latency.from_post
    name, note = "latency, 202 to first byte", f"at {shown(rate)} events/s"
    return [
        Figure(f"{name}, p50", asked.p50, "ms", note, None, f"at most {_P50_MS} ms", asked.p50 <= _P50_MS),
        Figure(f"{name}, p99", asked.p99, "ms", note, None, f"at most {_P99_MS} ms", asked.p99 <= _P99_MS),
        Figure("latency, POST to first byte, p50", whole.p50, "ms", note),
        Figure("latency, POST to first byte, p99", whole.p99, "ms", note),
    ]
