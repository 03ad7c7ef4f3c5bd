"""How many events a second go all the way, from the POST to the committed success, with no growing backlog.

A closed loop: wrk posts over so many connections, each waiting for its 202, to 50 webhooks. The more connections, the
more the daemon takes in at once, so the number is lowered until what comes in goes out: the rate is what the API's own
back-pressure then lets through. Both rates are read from the database afterwards.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.accept import accept_singles, target_of
from tests.bench.daemon import measured_daemon, measured_installation
from tests.bench.events import TEAMS, team_of
from tests.bench.nginx import Receiver
from tests.bench.workbench import Bench

CONNECTIONS = (64, 32, 16, 8, 4, 2, 1)
_WARM_UP_MS = 500
_MOST_GROWTH = 0.02


@dataclass(frozen=True, slots=True)
class Flow:
    """What one round let through: events per second accepted, and delivered, while they were posted."""

    connections: int
    accepted: float
    delivered: float

    @property
    def is_sustained(self) -> bool:
        """Whether no more came in than went out."""
        return self.accepted - self.delivered <= self.accepted * _MOST_GROWTH


async def find_sustained(bench: Bench, receiver: Receiver) -> Flow:
    """Measure with fewer and fewer connections until a flow is sustained."""
    for connections in CONNECTIONS:
        bench.advance(f"end to end, {connections} connections")
        flow = await measure_flow(bench, receiver, connections)
        if flow.is_sustained:
            return flow
    raise RuntimeError("the backlog grows even with a single connection")


async def measure_flow(bench: Bench, receiver: Receiver, connections: int) -> Flow:
    """Measure one round with a daemon of its own."""
    installation = measured_installation(bench, "flow")
    try:
        async with measured_daemon(installation) as daemon:
            for number in range(TEAMS):
                await daemon.make_team(team_of(number))
                await daemon.make_webhook(team_of(number), f"{receiver.url}/hooks/{number}")
            began = time.time_ns() // 1_000_000
            await accept_singles(bench, target_of(daemon), connections)
        # wrk began a moment later, so it still posted when this window ends.
        window = began + _WARM_UP_MS, began + bench.seconds * 1000
        return Flow(connections, *_rates(bench, installation.state_dir, *window))
    finally:
        installation.close()


def _rates(bench: Bench, state_dir: Path, since: int, until: int) -> list[float]:
    """Return how many were accepted a second, and how many delivered."""
    accepted, delivered = f"created_at BETWEEN {since} AND {until}", f"completed_at BETWEEN {since} AND {until}"
    counts = (
        bench.store.query(state_dir, f"SELECT count(*) FROM deliveries WHERE {condition}")
        for condition in (accepted, f"status = 'succeeded' AND {delivered}")
    )
    return [count * 1000 / (until - since) for [(count,)] in counts]
