"""What PostgreSQL offers to nodes that share a database."""

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from daemon.actors.threads import RunInThread
from daemon.store.nodes import Fence
from daemon.store.postgresql import feed, nodes, work
from daemon.store.postgresql.coordination import Coordination
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.key_fingerprint import read_key_in_use
from daemon.store.postgresql.membership import LEASE_S, NodeRegistry
from daemon.store.postgresql.notices import listening, notify
from daemon.store.reads.reader import Reader
from daemon.store.shared_store import SharedStore


def share(
    database: PostgresqlDatabase,
    reader: Reader,
    *,
    connect: Callable[[], psycopg.Connection[Any]],
    run_in_thread: RunInThread,
) -> SharedStore:
    """Have this process write only while it is a member; `connect` makes the connection that listens."""
    database.fence = Fence()
    coordination = Coordination(database.coordinating, run_in_thread)
    return SharedStore(
        fence=database.fence,
        registry=NodeRegistry(coordination),
        look=work.webhook_and_begun_work,
        read_pending=work.pending_work_of_each,
        version=lambda: reader.fetch(feed.version),
        news_since=lambda version: reader.fetch(feed.news_since, version),
        work_in=lambda shard, behind, look_at: reader.fetch(work.webhooks_with_work_in, shard, behind, look_at),
        sweep=lambda behind_seq: reader.fetch(work.sweep, behind_seq),
        notify=lambda notices: coordination.run(notify, notices),
        lives=lambda: coordination.run(nodes.lives, LEASE_S),
        begin_draining=lambda name: coordination.run(nodes.drain, name),
        pay_from_holds=partial(setattr, database, "pays_from_holds", True),
        doubtful_commits=lambda: database.doubtful_commits,
        key_in_use=lambda: reader.fetch(read_key_in_use),
        hang_up=database.deadlines.hang_up,
        listen=lambda channels: listening(connect, channels, run_in_thread),
    )
