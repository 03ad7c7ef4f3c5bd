"""Nodes that share a database: who they are, which webhooks each delivers for, what they tell each other.

Only on PostgreSQL: one process alone uses an SQLite file.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
# The oldest revision whose code may go on with the tables of this one (architecture "Upgrading nodes").
readable_by = "0012"

_TABLES = ("holds", "requests", "feed", "cluster", "shards", "leases", "nodes")
_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Make the tables, all shards without an owner, and sequences that go on behind what there is."""
    if op.get_context().dialect.name != "postgresql":
        return
    _create_nodes()
    _create_feed()
    _create_requests()
    for name, table in (("event_order", "events"), ("delivery_order", "deliveries")):
        op.execute(f"CREATE SEQUENCE {name} CACHE 1")
        op.execute(f"SELECT setval('{name}', (SELECT coalesce(max(seq), 0) + 1 FROM {table}), false)")
    # What goes first after a takeover.
    op.execute(
        "CREATE INDEX ix_deliveries_begun ON deliveries (webhook_id) WHERE status = 'pending' AND attempts_made > 0"
    )
    # By which the webhooks of a shard are found (`daemon.domain.shards`).
    op.execute("CREATE INDEX ix_webhooks_shard ON webhooks (get_byte(sha256(decode(id, 'escape')), 0), id)")


def downgrade() -> None:
    """Remove them."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("DROP INDEX ix_webhooks_shard")
    op.execute("DROP INDEX ix_deliveries_begun")
    op.execute("DROP SEQUENCE delivery_order")
    op.execute("DROP SEQUENCE event_order")
    for table in _TABLES:
        op.drop_table(table)


def _create_nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("node", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("why", sa.Text()),
        sa.Column("draining", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("report", JSONB(), nullable=False, server_default="{}"),
    )
    op.create_index("ix_nodes_live", "nodes", ["node"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "leases",
        sa.Column("node", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("steady_since", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "shards",
        sa.Column("shard", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("node", sa.BigInteger()),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    )
    op.execute("INSERT INTO shards (shard) SELECT generate_series(0, 255)")


def _create_feed() -> None:
    cluster = op.create_table(
        "cluster",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("key_fingerprint", sa.Text()),
        sa.Column("readable_by", sa.Text(), nullable=False),
    )
    op.bulk_insert(cluster, [{"id": 1, "version": 0, "readable_by": readable_by}])
    op.create_table(
        "feed",
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("change", JSONB(), nullable=False),
        sa.Column("idempotency", JSONB()),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("answer", JSONB()),
    )
    op.create_index("ix_requests_deadline", "requests", ["deadline_at", "id"])
    op.create_table(
        "holds",
        sa.Column("team_id", sa.Text(), primary_key=True),
        sa.Column("node", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
    )
