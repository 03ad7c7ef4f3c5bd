"""The tables that nodes share besides the store's own (`daemon.store.schema`); migration 0012 makes them.

Times are the server's: nodes compare them with nothing of their own.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from daemon.store.schema import webhooks

metadata = MetaData()

# One row for each life of a node: from joining until it leaves or is found dead. No number is ever used again.
nodes = Table(
    "nodes",
    metadata,
    Column("node", BigInteger, primary_key=True),
    Column("installation", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("why", Text),
    Column("draining", Boolean, nullable=False),
    Column("report", JSONB, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("node", BigInteger, primary_key=True),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("steady_since", DateTime(timezone=True), nullable=False),  # since when it was renewed in time
)

shards = Table(
    "shards",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("node", BigInteger),
    Column("since", DateTime(timezone=True), nullable=False),
)

# One row: the version of what nodes keep in memory, and what each node has to know: the key that seals, and a revision.
cluster = Table(
    "cluster",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("key_fingerprint", Text),
    Column("readable_by", Text, nullable=False),
)

# What changed with each version.
feed = Table(
    "feed",
    metadata,
    Column("version", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

# Changes to webhooks that another node is asked to make.
requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("webhook_id", Text, nullable=False),
    Column("change", JSONB, nullable=False),
    Column("idempotency", JSONB),
    Column("entry", JSONB),  # of the audit trail
    Column("asked_by", BigInteger, nullable=False),
    Column("deadline_at", DateTime(timezone=True), nullable=False),
    Column("answered_at", DateTime(timezone=True)),
    Column("answer", JSONB),
)

# What a node may still spend of a team's balance.
holds = Table(
    "holds",
    metadata,
    Column("team_id", Text, primary_key=True),
    Column("node", BigInteger, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)


def shard_of_webhook() -> ColumnElement[int]:
    """Return the shard of a row of `webhooks`, as `daemon.domain.shards.shard_of` counts it; it is indexed."""
    digest = func.sha256(func.decode(webhooks.c.id, "escape"))
    return func.get_byte(digest, 0, type_=SmallInteger())
