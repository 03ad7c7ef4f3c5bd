"""Several nodes in one process, on one PostgreSQL database: real time, real threads, receivers in memory."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from daemon.actors.threads import thread_runner
from daemon.cluster.lease import Lease
from daemon.config.reload import fixed
from daemon.config.settings import LogSettings
from daemon.crypto.vault import Vault, key_id
from daemon.domain.model import Webhook
from daemon.domain.shards import SHARDS
from daemon.run import run_daemon
from daemon.seams import Seams
from daemon.store.engine import READERS
from daemon.store.nodes import Identity
from daemon.store.postgresql.shared_store import share
from daemon.telemetry.log import make_logger
from daemon.telemetry.metrics import make_metrics
from daemon.wiring import assemble
from daemon.wiring_cluster import Share, terms_of
from tests.cluster.waiting import until
from tests.support.daemon import OPERATOR_KEY, FakeReceiver, Outbox, RunningDaemon, VirtualWallClock, make_settings
from tests.support.mock_transport import MockTransport
from tests.support.reused_databases import Lent

_SHORT_RETRIES = {"retry_delays_s": (0.05, 0.05, 0.05)}


@dataclass(slots=True)
class Cluster:
    """A database, what receives, and the mails of all nodes; `sections` are settings besides the usual.

    Each node that is run next has these encryption `keys`.
    """

    lent: Lent
    path: Path
    sections: Mapping[str, Any] = field(default_factory=dict)
    keys: Sequence[bytes] = (bytes(32),)
    receiver: FakeReceiver = field(default_factory=FakeReceiver)
    outbox: Outbox = field(default_factory=Outbox)
    clock: VirtualWallClock = field(default_factory=VirtualWallClock)

    @asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[RunningDaemon]:
        """Run a node; leaving the block crashes it, as a kill would. Set `stop` for a clean stop."""
        log, settings = io.BytesIO(), make_settings(self.path / name, delivery=_SHORT_RETRIES, **self.sections)
        database = await trio.to_thread.run_sync(self.lent.open)
        lease, connect = Lease(), partial(self.lent.address.connect, {}, autocommit=True)
        logger = make_logger(LogSettings(level="debug", format="json"), log, now_ms=self.clock, strict=True)
        parts = await assemble(
            fixed(settings),
            database,
            vault=Vault(self.keys),
            operator_key=OPERATOR_KEY,
            seams=self._seams(lease),
            metrics=make_metrics(),
            log=logger,
            share=Share(
                Identity(
                    installation=name,
                    name=name,
                    host="host",
                    version="1",
                    terms=terms_of(settings, tuple(map(key_id, self.keys))),
                ),
                partial(share, database, connect=connect, run_in_thread=thread_runner(3)),
                lease,
            ),
        )
        opened: Any = database  # tests of one daemon look into an SQLite file
        daemon = RunningDaemon(
            parts, self.receiver, self.clock, log, self.outbox.mails, trio.Event(), trio.Event(), opened
        )
        try:
            async with trio.open_nursery() as nursery:
                ready = trio.Event()
                nursery.start_soon(_run, daemon, ready)
                await ready.wait()
                yield daemon
                nursery.cancel_scope.cancel()
        finally:
            await trio.to_thread.run_sync(database.close)

    def _seams(self, lease: Lease) -> Seams:
        return Seams(
            now_ms=self.clock,
            run_write=thread_runner(1),
            run_read=thread_runner(READERS),
            run_checkpoint=thread_runner(2),
            make_transport=lambda: MockTransport(self.receiver.handle),
            check_url=_accept_url,
            check_proxy=_accept_url,
            send_mail=self.outbox.send,
            permit=lease,
        )


async def _run(daemon: RunningDaemon, ready: trio.Event) -> None:
    await run_daemon(daemon.parts, daemon.stop.wait, ready, daemon.stop, 5)
    daemon.stopped.set()


async def _accept_url(_url: str, _team_id: str) -> None:
    await trio.lowlevel.checkpoint()


def shards(node: RunningDaemon) -> int:
    """Return how many shards this node owns."""
    assert node.parts.node is not None
    return len(node.parts.node.membership.shards)


def owns(node: RunningDaemon, webhook: Webhook) -> bool:
    """Whether this node delivers for this webhook."""
    assert node.parts.node is not None
    return node.parts.node.membership.owns(webhook.id)


async def until_shared(*nodes: RunningDaemon) -> None:
    """Wait until each of these nodes, which are all, owns its fair share."""
    await until(lambda: all(shards(node) == SHARDS // len(nodes) for node in nodes), within_s=15)
