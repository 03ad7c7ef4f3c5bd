from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.crypto.idempotency import Once
from daemon.domain.changes import WebhookChange
from daemon.domain.model import Webhook
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from tests.cluster.asking import Ask, Asking
from tests.cluster.nodes import Ground, Node, running_nodes
from tests.cluster.real_nodes import Cluster, until_shared
from tests.store.filling import a_webhook, found
from tests.support.daemon import RunningDaemon
from tests.support.postgresql import PostgresqlServer, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[PostgresqlServer, str]]:
    """A server, and the name of a database in it with our tables."""
    with running_server() as server:
        yield server, server.make_template()


@pytest.fixture
def address(server: tuple[PostgresqlServer, str]) -> Iterator[Address]:
    """The address of a new database with our tables."""
    with server[0].database(server[1]) as address:
        yield address


@pytest.fixture
def database(address: Address) -> Iterator[PostgresqlDatabase]:
    """A database with a team and its webhook."""
    opened = open_database(address)
    found(opened)
    yield opened
    opened.close()


@pytest.fixture
def webhook(database: PostgresqlDatabase) -> Webhook:
    return a_webhook()


@pytest.fixture
async def ground(address: Address, webhook: Webhook, tmp_path: Path) -> AsyncIterator[Ground]:
    """Three nodes; the first owns the webhook."""
    assert isinstance(trio.lowlevel.current_clock(), MockClock), "the test must name autojump_clock"
    async with running_nodes(address, tmp_path, 3) as ground:
        ground.owners[webhook.id] = 1
        yield ground


@pytest.fixture
def ask(nursery: trio.Nursery, webhook: Webhook) -> Ask:
    """Ask a node for a change in a task of its own."""

    def begin(node: Node, change: WebhookChange, once: Once[Webhook] | None = None) -> Asking:
        asking = Asking(node, webhook, change, once)
        nursery.start_soon(asking.run)
        return asking

    return begin


@pytest.fixture
async def cluster(address: Address, tmp_path: Path) -> Cluster:
    return Cluster(address, tmp_path)


@pytest.fixture
async def pair(cluster: Cluster) -> AsyncIterator[tuple[RunningDaemon, RunningDaemon]]:
    """Two nodes, each with half of the shards; nothing that they call out may get lost."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(cluster.node("a"))
        second = await stack.enter_async_context(cluster.node("b"))
        await until_shared(first, second)
        yield first, second
        for node in (first, second):
            assert not node.log_lines("notices_lost", "listening_failed", "feed_failed", "sweep_failed")
