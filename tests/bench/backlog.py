"""A backlog of pending deliveries, and how fast a daemon drains it.

It is submitted through the API while the receiver answers nothing, so that the daemon may be one of any revision. The
rate is read from the database when the daemon has stopped: nothing asks it meanwhile but five reads of /metrics a
second, to see the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.daemon import MeasuredDaemon, measured_daemon, measured_installation
from tests.bench.events import event
from tests.bench.nginx import Receiver
from tests.bench.workbench import Bench, middle
from tests.support.process import Sections

_BATCH = 500
# No attempt ends before the daemon is stopped, which undoes it.
_NO_DEADLINE = {"delivery": {"timeout_s": 3600}}


@dataclass(frozen=True, slots=True)
class Backlog:
    """A filled state directory, of which every round gets a copy."""

    state_dir: Path
    webhooks: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Drained:
    """One round: deliveries, seconds from the first attempt's start to the last commit, the daemon's CPU seconds."""

    deliveries: int
    seconds: float
    cpu_s: float


async def make_backlog(bench: Bench, receiver: Receiver, webhooks: int, deliveries: int) -> Backlog:
    """Fill a state directory: so many signed webhooks at this receiver, in teams of their own."""
    installation = measured_installation(bench, "backlog", _NO_DEADLINE)
    total = deliveries // webhooks * webhooks
    try:
        with receiver.pausing():
            async with measured_daemon(installation) as daemon:
                for number in range(webhooks):
                    await daemon.make_team(f"team_{number}")
                    await daemon.make_webhook(f"team_{number}", f"{receiver.url}/hooks/{number}")
                await _submit(daemon, webhooks, total)
    finally:
        installation.close()
    return Backlog(installation.state_dir, webhooks, total)


async def _submit(daemon: MeasuredDaemon, webhooks: int, events: int) -> None:
    for first in range(0, events, _BATCH):
        numbers = range(first, min(first + _BATCH, events))
        await daemon.submit([event(number) | {"teamId": f"team_{number % webhooks}"} for number in numbers])


async def drain(bench: Bench, backlog: Backlog, sections: Sections | None = None) -> Drained:
    """Measure one round, on a copy of the backlog. Raises RuntimeError unless every first attempt succeeds."""
    installation = measured_installation(bench, "drain", sections)
    try:
        bench.store.copy(backlog.state_dir, installation.state_dir)
        async with measured_daemon(installation) as daemon:
            await daemon.until_succeeded(backlog.deliveries)
            cpu_s = daemon.usage().cpu_s - daemon.starting.cpu_s
        return Drained(backlog.deliveries, _seconds(bench, installation.state_dir, backlog.deliveries), cpu_s)
    finally:
        installation.close()
        bench.store.remove(installation.state_dir)


def rate(rounds: Sequence[Drained]) -> float:
    """Return deliveries per second, the median of the rounds."""
    return middle([drained.deliveries / drained.seconds for drained in rounds])


def cpu_us(rounds: Sequence[Drained]) -> float:
    """Return the daemon's CPU microseconds per delivery, the median of the rounds."""
    return middle([drained.cpu_s / drained.deliveries * 1e6 for drained in rounds])


def _seconds(bench: Bench, state_dir: Path, expected: int) -> float:
    [(attempts, first)] = bench.store.query(state_dir, "SELECT count(*), min(started_at) FROM attempts")
    [(succeeded, last)] = bench.store.query(
        state_dir, "SELECT count(*), max(completed_at) FROM deliveries WHERE status = 'succeeded'"
    )
    if not attempts == succeeded == expected:
        raise RuntimeError(f"{succeeded} of {expected} deliveries succeeded in {attempts} attempts: not all at once")
    return float(last - first) / 1000
