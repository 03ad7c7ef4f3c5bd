"""The time from a submission's 202, readable at the client, to the first byte of its delivery at the receiver.

It is below 0 when the delivery overtakes the answer.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench.daemon import MeasuredDaemon, measured_daemon, measured_installation
from tests.bench.events import TEAMS, team_of
from tests.bench.paced_load import submit_paced
from tests.bench.processes import Server, server
from tests.bench.workbench import Bench, middle
from tests.support.process import Sections

# In it each webhook gets its first delivery, and its connection.
_WARM_UP_S = 2


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds that half, 95 and 99 of 100, of what one round measured were below."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Latency:
    """The time to the first byte at the receiver, from the 202 (what was asked for) and from the POST (the whole)."""

    from_202: Percentiles
    from_post: Percentiles


@dataclass(frozen=True, slots=True)
class LatencyTestbed:
    """A daemon with a healthy webhook for each team, and their receiver, which notes times."""

    daemon: MeasuredDaemon
    receiver: Server


@asynccontextmanager
async def running_testbed(bench: Bench, sections: Sections | None = None) -> AsyncIterator[LatencyTestbed]:
    """Run a daemon whose teams have a signed webhook each."""
    installation = measured_installation(bench, "latency", sections)
    try:
        async with server("stamping_receiver") as receiver, measured_daemon(installation) as daemon:
            for number in range(TEAMS):
                await daemon.make_team(team_of(number))
                await daemon.make_webhook(team_of(number), f"{receiver.url}/hooks/{number}")
            yield LatencyTestbed(daemon, receiver)
    finally:
        installation.close()


async def measure_latency(testbed: LatencyTestbed, rate: float, seconds: float) -> Latency:
    """Submit events at this rate for so long, after a warm-up, and wait for their deliveries; ends the receiver."""
    answered = await submit_paced(testbed.daemon, rate, int(rate * (_WARM_UP_S + seconds)))
    await testbed.daemon.until_succeeded(len(answered), others_may_fail=True)
    first_bytes: dict[str, int] = await testbed.receiver.finish()
    measured = [number for number in answered if int(number) >= rate * _WARM_UP_S]
    from_post, from_202 = ([first_bytes[number] - answered[number][moment] for number in measured] for moment in (0, 1))
    return Latency(percentiles(from_202), percentiles(from_post))


def medians(rounds: Sequence[Latency]) -> Latency:
    """Return the medians of the rounds."""
    return Latency(medians_of([each.from_202 for each in rounds]), medians_of([each.from_post for each in rounds]))


def medians_of(rounds: Sequence[Percentiles]) -> Percentiles:
    """Return the medians of the rounds."""
    p50, p95, p99 = (middle([getattr(each, share) for each in rounds]) for share in ("p50", "p95", "p99"))
    return Percentiles(p50, p95, p99)


def percentiles(taken_ns: list[int]) -> Percentiles:
    """Return the percentiles of so many nanoseconds, in milliseconds."""
    ascending = sorted(taken_ns)
    return Percentiles(*(_percentile(ascending, share) for share in (0.5, 0.95, 0.99)))


def _percentile(ascending_ns: Sequence[int], share: float) -> float:
    return ascending_ns[min(int(len(ascending_ns) * share), len(ascending_ns) - 1)] / 1e6
