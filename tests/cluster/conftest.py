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
from daemon.store.postgresql.database import PostgresqlDatabase
from tests.cluster.asking import Ask, Asking
from tests.cluster.nodes import Ground, Node, running_nodes
from tests.cluster.real_nodes import Cluster, until_shared
from tests.store.filling import a_webhook, found
from tests.support.daemon import RunningDaemon
from tests.support.reused_databases import Lent, ReusedDatabases


@pytest.fixture
def lent(reused_databases: ReusedDatabases) -> Iterator[Lent]:
    """A database like a new one with our tables."""
    with reused_databases.lend() as lent:
        yield lent


@pytest.fixture
def address(lent: Lent) -> Address:
    """Where that database is."""
    return lent.address


@pytest.fixture
def database(lent: Lent) -> Iterator[PostgresqlDatabase]:
    """A database with a team and its webhook."""
    opened = lent.open()
    found(opened)
    yield opened
    opened.close()


@pytest.fixture
def webhook(database: PostgresqlDatabase) -> Webhook:
    return a_webhook()


@pytest.fixture
async def ground(lent: Lent, webhook: Webhook, tmp_path: Path) -> AsyncIterator[Ground]:
    """Three nodes; the first owns the webhook."""
    assert isinstance(trio.lowlevel.current_clock(), MockClock), "the test must name autojump_clock"
    async with running_nodes(lent.open, tmp_path, 3) as ground:
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
async def cluster(lent: Lent, tmp_path: Path) -> Cluster:
    return Cluster(lent, tmp_path)


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
