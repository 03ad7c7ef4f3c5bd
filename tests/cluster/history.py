"""A history of a virtual cluster, made by chance: nodes die, stop, come back and are cut off under load.

The same seed, with the same PYTHONHASHSEED, is the same history, step by step.
"""

import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio

from daemon.actors.supervisor import ActorFailed
from daemon.domain.errors import DaemonError
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DisabledReason, Webhook
from daemon.domain.submission import NewEvent, Submission
from daemon.store.postgresql.address import Address
from daemon.store.reads import api_reads
from tests.cluster.chaos import database, late
from tests.cluster.chaos.checker import violations
from tests.cluster.chaos.evidence import Disturbance, Evidence, Submitted
from tests.cluster.chaos.logs import faults_in
from tests.cluster.chaos.plan import EVENT_TYPES, Behaviour, Lifetime, PlannedWebhook
from tests.cluster.chaos.rows import IN_A_CLUSTER
from tests.cluster.virtual_cluster import VirtualCluster, VirtualNode
from tests.cluster.virtual_server import virtual_server
from tests.faults.impossible_rows import find_impossible_rows
from tests.support.daemon import EPOCH_MS

_NODES = (1, 2, 3)
_TEAM, _TYPE = "acme", EVENT_TYPES[0]
_REST_S = 180
_WEBHOOKS = ("0-ok", "1-ok", "2-ok", "3-ok", "4-down")


@dataclass(slots=True)
class History:
    """What is done to a cluster, and what is known of it."""

    cluster: VirtualCluster
    chance: random.Random
    planned: dict[str, PlannedWebhook] = field(default_factory=dict)
    submitted: dict[int, Submitted] = field(default_factory=dict)
    disturbances: list[Disturbance] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    over: trio.Event = field(default_factory=trio.Event)

    async def run(self, seconds: float) -> None:
        """Let it go on for so long, and then come to rest."""
        async with trio.open_nursery() as nursery:
            for number in _NODES:
                nursery.start_soon(self._keep_running, number)
            await self._wait(lambda: len(self.cluster.nodes) == len(_NODES))
            await self._on_any(lambda node: node.parts.teams.create(_TEAM, "Acme", ("ops@example.com",)))
            for name in _WEBHOOKS:
                await self._register(name)
            for task in (self._submit, self._submit, self._submit, self._disturb, self._register_more, self._enable,
                         self._accept_late):  # fmt: skip
                nursery.start_soon(task)
            await trio.sleep(seconds)
            self.over.set()
            with trio.move_on_after(_REST_S) as resting:
                await self._wait(self._is_at_rest)
            if resting.cancelled_caught:
                self.complaints.append(f"it did not come to rest within {_REST_S} s")
            nursery.cancel_scope.cancel()

    async def _keep_running(self, number: int) -> None:
        """Run this node, life after life."""
        while True:
            try:
                async with self.cluster.node(number) as node:
                    with node.scope:
                        await node.stopped.wait()
            except* ActorFailed as failures:
                self.complaints.append(f"node {number} ended: {failures.exceptions[0]}")
            await trio.sleep(self.chance.choice((0.3, self.chance.uniform(0.3, 8))))

    async def _disturb(self) -> None:
        while not self.over.is_set():
            await trio.sleep(self.chance.uniform(0.3, 3))
            node = await self._any()
            begin, what = trio.current_time(), self.chance.choice(("kill", "stop", "cut", "cut"))
            if what == "kill":
                node.scope.cancel()
            elif what == "stop":
                node.stop.set()
                continue
            else:
                node.link.cut(self.chance.choice((self.chance.uniform(0.2, 3), self.chance.uniform(3, 8))))
            end = max(begin, node.link.cut_until)
            self.disturbances.append(Disturbance(what, frozenset({node.number}), begin, end))

    async def _submit(self) -> None:
        while not self.over.is_set():
            await trio.sleep(self.chance.uniform(0.02, 0.6))
            await self._submit_to(await self._any(), self.chance.choice((1, 1, 3)))

    async def _submit_to(self, node: VirtualNode, count: int) -> None:
        first, now = len(self.submitted) + 1, trio.current_time()
        begun = [Submitted(number, first, _TEAM, _TYPE, now) for number in range(first, first + count)]
        self.submitted.update({one.number: one for one in begun})
        try:
            with trio.fail_after(10):
                receipts = await node.parts.router.submit(Submission(tuple(map(_event, begun))))
        except (DaemonError, trio.TooSlowError):
            return
        for one, receipt in zip(begun, receipts, strict=True):
            self.submitted[one.number] = replace(
                one, acknowledged_at=trio.current_time(), event_id=receipt.event_id, deliveries=receipt.deliveries
            )

    async def _accept_late(self) -> None:
        """Take numbers, and commit an event with them only when others that took theirs later are under way."""
        with self.cluster.server.address.connect({}, autocommit=True) as connection:
            while not self.over.is_set():
                number, now = len(self.submitted) + 1, trio.current_time()
                self.submitted[number] = Submitted(number, number, _TEAM, _TYPE, now)
                numbers = late.take_numbers(connection)
                await trio.sleep(self.chance.uniform(0.5, 4))
                known = [one for one in self.submitted.values() if one.event_id and one.submitted_at > now]
                rest = late.copy_of(self.chance.choice(known), number, numbers) if known else "ROLLBACK"
                connection.execute(rest.encode())

    async def _register(self, name: str) -> None:
        """Register a webhook at one node, and submit to all."""
        url, begin = f"https://receiver.example/{name}", trio.current_time()
        behaviour: Behaviour = "down" if name.endswith("down") else "ok"
        webhook = PlannedWebhook(name, _TEAM, behaviour, frozenset({_TYPE}), Lifetime(begin, math.inf))
        self.planned[name] = webhook
        await self._on_any(lambda node: node.parts.webhooks.create(_TEAM, name, url, None, (_TYPE,)), most=1)
        self.planned[name] = replace(webhook, lifetime=Lifetime(begin, trio.current_time()))
        async with trio.open_nursery() as nursery:
            for node in self.cluster.nodes.values():
                nursery.start_soon(self._submit_to, node, 1)

    async def _register_more(self) -> None:
        while not self.over.is_set():
            await trio.sleep(self.chance.uniform(1, 5))
            with suppress(DaemonError):  # whether it is there then nobody knows
                await self._register(f"{len(self.planned)}-ok")

    async def _enable(self) -> None:
        while not self.over.is_set():
            await trio.sleep(self.chance.uniform(1, 4))
            with suppress(DaemonError), trio.move_on_after(25):
                node = await self._any()
                page = await node.parts.store.reader.fetch(api_reads.list_webhooks, _TEAM, 200)
                for webhook in page.items:
                    await self._enable_one(await self._any(), webhook)

    async def _enable_one(self, node: VirtualNode, webhook: Webhook) -> None:
        if webhook.disabled_reason is DisabledReason.CONSECUTIVE_FAILURES:
            await node.parts.webhooks.change(webhook.id, WebhookEdit(active=True))

    async def _on_any(self, do: Callable[[VirtualNode], Awaitable[object]], most: int = 50) -> None:
        """Do something at any node; try so often."""
        for left in reversed(range(most)):
            try:
                await do(await self._any())
                return
            except DaemonError:
                if not left:
                    raise
            await trio.sleep(0.5)

    async def _any(self) -> VirtualNode:
        """Return a node that runs."""
        await self._wait(lambda: bool(self.cluster.nodes))
        return self.chance.choice([self.cluster.nodes[number] for number in sorted(self.cluster.nodes)])

    async def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - it becomes true in the database
            await trio.sleep(0.5)

    def _is_at_rest(self) -> bool:
        if len(self.cluster.nodes) < len(_NODES):
            return False
        with self.cluster.server.address.connect({}, autocommit=True) as connection:
            self.cluster.server.set_clock()
            return not database.unfinished(connection) and not find_impossible_rows(connection, IN_A_CLUSTER)

    def evidence(self, address: Address) -> Evidence:
        """Return all that is known."""
        with address.connect({}, autocommit=True) as connection:
            stored = database.read_stored(connection, enforced=False)
        return Evidence(
            planned=self.planned,
            submitted=list(self.submitted.values()),
            arrivals=self.cluster.arrivals,
            disturbances=self.disturbances,
            stored=stored,
            mailed=Counter(mail.id for mail in self.cluster.outbox.mails),
            complaints=self.complaints,
        )


@contextmanager
def repeatable(chance: random.Random) -> Iterator[None]:
    """Have ids, and the order in which tasks run that can run at once, depend on `chance` alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.urandom", chance.randbytes)
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr("trio._core._run._r", chance)
        yield


async def play(address: Address, directory: Path, *, seed: int, seconds: float) -> tuple[Evidence, list[str]]:
    """Play a history on a new database; return what is known of it, and what was violated."""
    chance = random.Random(f"history {seed}")
    with repeatable(chance), virtual_server(address, chance) as server:
        cluster = VirtualCluster(server, directory, chance)
        history = History(cluster, chance)
        try:
            await history.run(seconds)
        finally:
            cluster.close()
        for number, log in enumerate(cluster.logs):
            kept = directory / f"log{number}"
            kept.write_bytes(log.getvalue())
            history.complaints += faults_in(kept)
        server.set_clock()
        evidence = history.evidence(address)
    return evidence, violations(evidence)


def _event(one: Submitted) -> NewEvent:
    body = b'{"event":"%s","teamId":"acme","timestamp":"2027-01-15T08:00:00.000Z","data":{"n":%d}}'
    return NewEvent(one.team, one.type, EPOCH_MS, body % (one.type.encode(), one.number))
