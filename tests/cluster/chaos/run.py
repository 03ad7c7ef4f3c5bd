"""A run: a cluster under load to which something is done again and again; then it comes to rest and is examined."""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.cluster.chaos import database, rows
from tests.cluster.chaos.checker import violations
from tests.cluster.chaos.cluster import Cluster, open_cluster
from tests.cluster.chaos.dump import keep
from tests.cluster.chaos.evidence import Evidence, Stored
from tests.cluster.chaos.logs import count_events, faults_in
from tests.cluster.chaos.overload import watch_for_overload
from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.repetitions import repetitions
from tests.cluster.chaos.takeover import takeovers
from tests.cluster.chaos.waiting import until
from tests.faults.impossible_rows import find_impossible_rows

_WARM_UP_S = 2
_REST_S = 90
# What ended within this time after something was done to a node was ended by that.
_EXCUSED_S = 5

Chaos = Callable[[Cluster, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has shown."""

    evidence: Evidence
    violations: list[str]
    answers: Mapping[str, int]
    enablings: int
    logged: Counter[str] = field(default_factory=Counter)

    @property
    def acknowledged(self) -> int:
        return sum(one.acknowledged_at is not None for one in self.evidence.submitted)

    def __str__(self) -> str:
        evidence = self.evidence
        ends = Counter(delivery.status for delivery in evidence.stored.deliveries)
        done = Counter(one.what for one in evidence.disturbances)
        waits = sorted(takeovers(evidence))
        repeated = sum(1 for _ in repetitions(evidence.arrivals))
        parts = [
            f"{self.acknowledged} of {len(evidence.submitted)} events acknowledged",
            f"{len(evidence.arrivals)} attempts arrived, {repeated} of them again",
            _counts(ends),
            f"{len(evidence.stored.mails)} disablings mailed, {self.enablings} enablings",
            f"{sum(webhook.deleted for webhook in evidence.stored.webhooks)} webhooks came and went",
            f"{len(evidence.resent)} resent, {len(evidence.recoveries)} recoveries",
            f"done: {_counts(done)}",
            f"answers: {_counts(self.answers)}",
            f"logged: {_counts(self.logged)}",
        ]
        if waits:
            parts.append(f"takeover {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s")
        return "; ".join(parts)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing"


async def run_chaos(directory: Path, plan: Plan, chaos: Chaos, *, seconds: float, pause_s: float = 1.0) -> Run:
    """Do `chaos` for so long, with pauses of `pause_s` on average; return what that has shown.

    If a promise was broken, what the database holds stays in `directory`, where the nodes' logs are.
    """
    chance = random.Random(f"chaos {plan.seed}")
    async with open_cluster(directory, plan) as cluster, trio.open_nursery() as nursery:
        driving = trio.Event()
        nursery.start_soon(_drive, cluster, driving)
        nursery.start_soon(watch_for_overload, cluster)
        await trio.sleep(_WARM_UP_S)
        end = trio.current_time() + seconds
        complaints: list[str] = []
        try:
            while trio.current_time() < end:
                await chaos(cluster, chance)
                await trio.sleep(chance.uniform(0.2, 1.8) * pause_s)
        except trio.TooSlowError:
            complaints.append("a node did not get ready, or did not end, in time")
        complaints += await _come_to_rest(cluster, driving)
        run = await _examine(cluster, complaints)
        if run.violations:
            await keep(cluster.primary, directory / "database.sql")
        nursery.cancel_scope.cancel()
    return run


async def _drive(cluster: Cluster, ended: trio.Event) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cluster.clients.run)
        nursery.start_soon(cluster.enabler.run)
        nursery.start_soon(cluster.registrar.run)
        nursery.start_soon(cluster.editor.run)
        if cluster.plan.enforced:
            nursery.start_soon(cluster.treasurer.run)
    ended.set()


async def _come_to_rest(cluster: Cluster, driving: trio.Event) -> list[str]:
    """End everything, and wait until nothing is left to be done; return what did not end."""
    complaints = []
    try:
        await cluster.heal()
    except trio.TooSlowError:
        complaints.append("a node did not get ready though everything works again")
    cluster.clients.stop()
    with trio.move_on_after(_REST_S) as waiting:
        await driving.wait()
    if waiting.cancelled_caught:
        complaints.append(f"submissions got no answer within {_REST_S} s though everything works again")
    try:
        await until(lambda: _asked(cluster, _is_at_rest), within_s=_REST_S, every_s=0.3)
    except trio.TooSlowError:
        complaints.append(f"it did not come to rest within {_REST_S} s")
    return complaints


async def _asked(cluster: Cluster, question: Callable[[database.Connection], bool]) -> bool:
    def ask() -> bool:
        with cluster.primary.connect() as connection:
            return question(connection)

    return await trio.to_thread.run_sync(ask)


def _is_at_rest(connection: database.Connection) -> bool:
    if database.unfinished(connection):
        return False
    return not database.has_nodes(connection) or not find_impossible_rows(connection, rows.IN_A_CLUSTER)


async def _examine(cluster: Cluster, complaints: list[str]) -> Run:
    def read() -> Stored:
        with cluster.primary.connect() as connection:
            return database.read_stored(connection, enforced=cluster.plan.enforced)

    ledger, logs = cluster.clients.ledger, [node.log for node in cluster.nodes]
    evidence = Evidence(
        planned={**cluster.planned, **cluster.registrar.webhooks},
        submitted=list(ledger.submitted.values()),
        arrivals=list(cluster.receivers.arrivals),
        disturbances=list(cluster.disturbances),
        stored=await trio.to_thread.run_sync(read),
        mailed=cluster.mailed(),
        epoch=time.time() - trio.current_time(),
        recoveries=list(cluster.editor.recoveries),
        resent=dict(cluster.editor.resent),
        complaints=[
            *complaints,
            *ledger.complaints,
            *_unasked_exits(cluster),
            *(line for log in logs for line in faults_in(log)),
        ],
    )
    logged = sum((count_events(log) for log in logs), Counter[str]())
    return Run(evidence, violations(evidence), dict(ledger.answers), cluster.enabler.enablings, logged)


def _unasked_exits(cluster: Cluster) -> list[str]:
    return [
        f"node {exit_.node} ended with exit code {exit_.code} though nothing was done to it"
        for node in cluster.nodes
        for exit_ in node.exits
        if not any(
            node.number in one.nodes and one.begin <= exit_.at <= one.end + _EXCUSED_S for one in cluster.disturbances
        )
    ]
