"""What healthy webhooks notice of 500 others that hang until the deadline: the latency with and without them."""

from dataclasses import replace
from enum import Enum

import trio

from tests.bench.events import EVENT_TYPE
from tests.bench.figures import Figure, shown
from tests.bench.latency import Latency, LatencyTestbed, Percentiles, measure_latency, medians, running_testbed
from tests.bench.nginx import nginx
from tests.bench.processes import server
from tests.bench.sustained import find_sustained
from tests.bench.workbench import Bench

_DEADLINE_S = 10
_MOST = 1.5
# They stay active, however long they hang.
_NEVER_DISABLED = {"delivery": {"timeout_s": _DEADLINE_S, "disable_after": 1_000_000}}
# Each lasts for 47 s: four attempts and the waits between them.
_EVENTS_EACH = 4


class Others(Enum):
    """Whether other webhooks hang, and when their deadlines are over."""

    NONE = "without the hanging ones"
    SPREAD = "deadlines spread"
    TOGETHER = "deadlines together"


async def measure_isolation(bench: Bench) -> list[Figure]:
    """Measure the latency at half the sustained rate, in turn without and with hanging webhooks."""
    async with nginx(bench.fresh("nginx")) as receiver:
        rate = (await find_sustained(bench, receiver)).delivered / 2
    rounds: dict[Others, list[Latency]] = {others: [] for others in Others}
    for _ in range(bench.rounds):
        for others in Others:
            bench.advance(f"latency at {shown(rate)} events/s, {others.value}")
            rounds[others].append(await _measure_round(bench, others, rate))
    return _figures({others: medians(each) for others, each in rounds.items()}, rate, _hanging(bench))


async def _measure_round(bench: Bench, others: Others, rate: float) -> Latency:
    """Measure for longer than the deadline, so that each hanging attempt ends and the next one begins."""
    seconds = 1 if bench.quick else _DEADLINE_S + 2
    async with server("hanging_receiver") as hanging, running_testbed(bench, _NEVER_DISABLED) as testbed:
        if others is not Others.NONE:
            spread_s = _DEADLINE_S if others is Others.SPREAD and not bench.quick else 0
            await _hang(testbed, hanging.url, _hanging(bench), spread_s)
        return await measure_latency(testbed, rate, seconds)


async def _hang(testbed: LatencyTestbed, url: str, count: int, spread_s: float) -> None:
    """Give the daemon so many webhooks that hang, and start their deliveries evenly over this time."""
    teams = [f"hanging_{number}" for number in range(count)]
    for number, team_id in enumerate(teams):
        await testbed.daemon.make_team(team_id)
        await testbed.daemon.make_webhook(team_id, f"{url}/hooks/{number}")
    started = trio.current_time()
    for number, team_id in enumerate(teams):
        await trio.sleep_until(started + spread_s * number / count)
        await testbed.daemon.submit([{"event": EVENT_TYPE, "teamId": team_id, "data": {}}] * _EVENTS_EACH)


def _hanging(bench: Bench) -> int:
    return 50 if bench.quick else 500


def _figures(latencies: dict[Others, Latency], rate: float, hanging: int) -> list[Figure]:
    alone, figures = latencies[Others.NONE], []
    for others in (Others.SPREAD, Others.TOGETHER):
        latency, name = latencies[others], f"isolation, {hanging} hang, {others.value}"
        asked = _pair(f"{name}, 202 to first byte", latency.from_202, alone.from_202, rate)
        met = latency.from_202.p99 <= _MOST * max(alone.from_202.p99, 0)
        figures += [asked[0], replace(asked[1], goal=f"at most {_MOST} times without", met=met)]
        figures += _pair(f"{name}, POST to first byte", latency.from_post, alone.from_post, rate)
    return figures


def _pair(name: str, latency: Percentiles, alone: Percentiles, rate: float) -> tuple[Figure, Figure]:
    note = f"at {shown(rate)} events/s; without them {shown(alone.p50)} and {shown(alone.p99)} ms"
    return (
        Figure(f"{name}, p50", latency.p50, "ms", note, _ratio(latency.p50, alone.p50)),
        Figure(f"{name}, p99", latency.p99, "ms", note, _ratio(latency.p99, alone.p99)),
    )


def _ratio(latency: float, alone: float) -> float | None:
    """Return how much longer it takes; None where that says nothing, since deliveries overtake their 202."""
    return latency / alone if alone > 0 else None
