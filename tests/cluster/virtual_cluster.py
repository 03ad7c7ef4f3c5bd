"""Whole nodes in one process and in virtual time, on one real database: the same seed is the same history.

Every transaction of theirs is one step, and chance puts the steps of all nodes into an order: renewals, takeovers,
claims, outcomes, shards given back, acceptances and changes. What came of it is for the checker of real clusters.
"""

import io
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import trio

from daemon.cluster.lease import Lease
from daemon.config.reload import fixed
from daemon.config.settings import LogSettings
from daemon.crypto.vault import Vault
from daemon.run import run_daemon
from daemon.seams import Seams
from daemon.store.nodes import Identity
from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from daemon.store.postgresql.shared_store import share
from daemon.store.reads.reader import Reader
from daemon.store.shared_store import SharedStore
from daemon.telemetry.log import make_logger
from daemon.telemetry.metrics import make_metrics
from daemon.wiring import Daemon, assemble
from daemon.wiring_cluster import Share, terms_of
from tests.cluster.chaos.evidence import Arrival
from tests.cluster.virtual_server import Link, VirtualServer
from tests.support.daemon import OPERATOR_KEY, Outbox, VirtualWallClock, make_settings
from tests.support.mock_transport import MockTransport

_RETRIES_S = (0.1, 0.2, 0.4)


@dataclass(slots=True)
class VirtualNode:
    """A node, in its life as a process; `parts` are what a test asks."""

    number: int
    link: Link
    parts: Daemon
    log: io.BytesIO
    stop: trio.Event = field(default_factory=trio.Event)
    stopped: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def life(self) -> int:
        assert self.parts.node is not None
        return self.parts.node.membership.node


@dataclass(slots=True)
class VirtualCluster:
    """The database, what receives, and the nodes that run now, by number."""

    server: VirtualServer
    path: Path
    chance: random.Random
    nodes: dict[int, VirtualNode] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    outbox: Outbox = field(default_factory=Outbox)
    clock: VirtualWallClock = field(default_factory=VirtualWallClock)
    logs: list[io.BytesIO] = field(default_factory=list)
    _opened: list[PostgresqlDatabase] = field(default_factory=list)

    @asynccontextmanager
    async def node(self, number: int) -> AsyncIterator[VirtualNode]:
        """Run a node; leaving the block kills it. Set `stop` for a clean stop."""
        link, database, log = Link(self.server), self._open(), io.BytesIO()
        self.logs.append(log)
        lease = Lease(trio.current_time)
        settings = make_settings(self.path / f"node{number}", delivery={"retry_delays_s": _RETRIES_S})
        identity = Identity(
            installation=f"node{number}", name=f"node{number}", host="host", version="1", terms=terms_of(settings, ())
        )
        parts = await assemble(
            fixed(settings),
            database,
            vault=Vault([bytes(32)]),
            operator_key=OPERATOR_KEY,
            seams=self._seams(number, link, lease),
            metrics=make_metrics(),
            log=make_logger(LogSettings(level="info", format="json"), log, now_ms=self.clock, strict=True),
            share=Share(identity, partial(self._shared, database, link), lease),
        )
        node = VirtualNode(number, link, parts, log)
        try:
            async with trio.open_nursery() as nursery:
                ready = trio.Event()
                nursery.start_soon(_run, node, ready)
                await ready.wait()
                self.nodes[number] = node
                yield node
                nursery.cancel_scope.cancel()
        finally:
            self.nodes.pop(number, None)
            self._opened.append(database)

    def _open(self) -> PostgresqlDatabase:
        return self._opened.pop() if self._opened else open_database(self.server.address)

    def close(self) -> None:
        """Close what nodes that have ended had open."""
        for database in self._opened:
            database.close()

    def _shared(self, database: PostgresqlDatabase, link: Link, reader: Reader) -> SharedStore:
        """Return what the database offers, but for notices, which go by themselves."""

        async def notify(notices: Any) -> None:
            await trio.sleep(self.chance.uniform(0, 0.05))
            self.server.call_out(notices, link)

        offered = share(database, reader, connect=partial(self.server.address.connect, {}), run_in_thread=link)
        return replace(offered, notify=notify, listen=partial(self.server.listening, link))

    def _seams(self, number: int, link: Link, lease: Lease) -> Seams:
        return Seams(
            now_ms=self.clock,
            run_write=link,
            run_read=link,
            run_checkpoint=link,
            make_transport=lambda: MockTransport(partial(self._receive, number)),
            check_url=_accept_url,
            check_proxy=_accept_url,
            send_mail=self.outbox.send,
            permit=lease,
        )

    async def _receive(self, number: int, request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix("/")
        headers, node = request.headers, self.nodes.get(number)
        attempt = int(headers["x-kakiyo-attempt"])
        arrival = Arrival(
            id=len(self.arrivals) + 1,
            at=trio.current_time(),
            node=number,
            life=node.life if node else None,
            webhook=name,
            delivery_id=headers["webhook-id"],
            attempt=attempt,
            number=orjson.loads(await request.aread())["data"]["n"],
            status=self._status(name, attempt),
            signed=True,
        )
        self.arrivals.append(arrival)
        await trio.sleep(self.chance.choice((0, 0, self.chance.uniform(0, 0.2))))
        return httpx.Response(arrival.status, content=str(arrival.id).encode())

    def _status(self, name: str, attempt: int) -> int:
        """Return an answer, by chance: a repetition may get another one."""
        if name.endswith("down"):
            return 500
        return 503 if attempt < 4 and self.chance.random() < 0.3 else 200


async def _run(node: VirtualNode, ready: trio.Event) -> None:
    await run_daemon(node.parts, node.stop.wait, ready, node.stop, 5)
    node.stopped.set()


async def _accept_url(_url: str, _team_id: str) -> None:
    await trio.lowlevel.checkpoint()
