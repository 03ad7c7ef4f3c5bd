"""Nodes on one PostgreSQL database, in virtual time. What they tell each other, and who owns what, is up to a test.

Only deadlines of requests go by the database's clock, which is real.
"""

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from daemon.actors.threads import run_inline
from daemon.cluster.answering import Answering
from daemon.cluster.live_answers import ClusterAnswers
from daemon.cluster.requests import ClusterChanger, Requests
from daemon.config.reload import fixed
from daemon.config.settings import LogSettings
from daemon.crypto.idempotency import Once
from daemon.crypto.vault import Vault
from daemon.delivery.fleet import Fleet
from daemon.delivery.pace import Paces
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.delivery.timers import Timers
from daemon.domain.changes import Edit, WebhookChange
from daemon.domain.clock import clock_of
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import Webhook
from daemon.domain.policy import Policy
from daemon.live.registry import Listeners
from daemon.mail.notifier import Notifier
from daemon.management.kept_answers import KeptAnswers
from daemon.management.webhook_changer import LocalChanger
from daemon.operations.payload import payload_maker
from daemon.operations.submitter import Submitter
from daemon.seams import Seams
from daemon.store import channels
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.reads import api_reads
from daemon.store.reads.reader import Reader
from daemon.store.store import Store
from daemon.store.writes.writer import Writer
from daemon.telemetry.log import make_logger
from daemon.telemetry.telemetry import Telemetry
from daemon.wiring_delivery import DeliveryBuilder, ShareOfWork
from tests.store.filling import an_audit_entry
from tests.support.daemon import FakeReceiver, FakeThread, Outbox, VirtualWallClock, make_settings
from tests.support.mock_transport import MockTransport
from tests.support.telemetry import make_telemetry

Open = Callable[[], PostgresqlDatabase]
CHANNELS = {channels.REQUESTS, channels.ANSWERS}


@dataclass(slots=True)
class Ground:
    """What the nodes share: who owns a webhook, and the words between them, which get lost while `deaf`."""

    owners: dict[str, int] = field(default_factory=dict)
    nodes: list["Node"] = field(default_factory=list)
    deaf: bool = False

    def notify(self, channel: str, request_id: str) -> None:
        assert channel in CHANNELS
        if self.deaf:
            return
        for node in self.nodes:
            if channel == channels.REQUESTS:
                node.answering.look()
            else:
                node.requests.answered(request_id)


@dataclass(frozen=True, slots=True)
class Owned:
    """What one node owns."""

    node: int
    ground: Ground

    def owns(self, webhook_id: str) -> bool:
        return self.ground.owners.get(webhook_id) == self.node


@dataclass(slots=True)
class Node:
    """One node: its writer and its actors run until it is killed. `run_write` is its writer's thread."""

    number: int
    database: PostgresqlDatabase
    store: Store
    fleet: Fleet
    kept_answers: KeptAnswers
    changer: ClusterChanger
    requests: Requests
    answers: ClusterAnswers
    listeners: Listeners
    answering: Answering
    run_write: FakeThread
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.store.writer.run)
                nursery.start_soon(self.fleet.run)
                await self.fleet.started.wait()
                nursery.start_soon(self.answering.run)
        self.ended.set()

    async def kill(self) -> None:
        self.scope.cancel()
        await self.ended.wait()

    async def rename(self, webhook: Webhook, name: str) -> Webhook | None:
        return await self.change(webhook.id, renaming(name), None)

    async def change(self, webhook_id: str, change: WebhookChange, once: Once[Webhook] | None) -> Webhook | None:
        return await self.changer.change(webhook_id, change, once, an_audit_entry(webhook_id))

    async def read(self, webhook: Webhook) -> Webhook | None:
        return await self.store.reader.fetch(api_reads.get_webhook, webhook.id)


def renaming(name: str) -> Edit:
    return Edit(WebhookEdit(name=name), 2_000_000_000_000)


@asynccontextmanager
async def running_nodes(open_one: Open, state_dir: Path, count: int) -> AsyncIterator[Ground]:
    """Run so many nodes, numbered from 1; `open_one` opens the database of one more."""
    ground, clock = Ground(), VirtualWallClock()
    for number in range(1, count + 1):
        ground.nodes.append(_make_node(open_one(), state_dir, clock, number=number, ground=ground))
    try:
        async with trio.open_nursery() as nursery:
            for node in ground.nodes:
                nursery.start_soon(node.run)
                await node.fleet.started.wait()
            yield ground
            nursery.cancel_scope.cancel()
    finally:
        for node in ground.nodes:
            node.database.close()


def _make_node(
    database: PostgresqlDatabase, state_dir: Path, now_ms: VirtualWallClock, *, number: int, ground: Ground
) -> Node:
    run_write = FakeThread()
    telemetry = make_telemetry(make_logger(LogSettings(level="debug"), io.BytesIO(), now_ms=now_ms, strict=True))
    store = Store(Reader(database, run_inline), Writer(database, run_write, telemetry.metrics))
    clock, vault, owned = clock_of(now_ms), Vault([bytes(32)]), Owned(number, ground)
    listeners = Listeners(lambda: clock.new_id("att"))
    fleet = _fleet(store, telemetry, state_dir, now_ms=now_ms, vault=vault, listeners=listeners)
    kept_answers = KeptAnswers(store=store, clock=clock, vault=vault)
    requests = Requests(ownership=owned, store=store, clock=clock, log=telemetry.log, notify=ground.notify)
    changer = ClusterChanger(
        local=LocalChanger(fleet=fleet, kept_answers=kept_answers),
        ownership=owned,
        requests=requests,
        store=store,
        keeping=kept_answers.keeping,
    )
    answering = Answering(
        request_change=fleet.request_change,
        listeners=listeners,
        ownership=owned,
        store=store,
        clock=clock,
        log=telemetry.log,
        notify=ground.notify,
    )
    return Node(
        number=number,
        database=database,
        store=store,
        fleet=fleet,
        kept_answers=kept_answers,
        changer=changer,
        requests=requests,
        answers=ClusterAnswers(listeners=listeners, ownership=owned, requests=requests),
        listeners=listeners,
        answering=answering,
        run_write=run_write,
    )


def _fleet(
    store: Store,
    telemetry: Telemetry,
    state_dir: Path,
    *,
    now_ms: VirtualWallClock,
    vault: Vault,
    listeners: Listeners,
) -> Fleet:
    receiver, clock = FakeReceiver(), clock_of(now_ms)
    seams = Seams(
        now_ms=now_ms,
        run_write=run_inline,
        run_read=run_inline,
        run_checkpoint=run_inline,
        make_transport=lambda: MockTransport(receiver.handle),
        check_url=_accept_url,
        check_proxy=_accept_url,
        send_mail=Outbox().send,
    )
    builder = DeliveryBuilder(
        fixed(make_settings(state_dir)),
        store=store,
        clock=clock,
        telemetry=telemetry,
        vault=vault,
        seams=seams,
        listeners=listeners,
    )
    notifier = Notifier(store=store, clock=clock, telemetry=telemetry, send=seams.send_mail)
    submitter = Submitter(store=store, telemetry=telemetry, make_payload=payload_maker(Policy(), ""))
    return builder.fleet(
        index=SubscriptionIndex(),
        gate=builder.credit_gate(),
        paces=Paces(),
        notifier=notifier,
        submitter=submitter,
        canceller=builder.canceller(),
        timers=Timers(clock.now_ms),
        share=ShareOfWork(),
    )


async def _accept_url(_url: str, _team_id: str) -> None:
    await trio.lowlevel.checkpoint()
