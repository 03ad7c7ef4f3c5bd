"""What ends in each hour and is consumed on each day is counted as it happens; webhooks are found by their state."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_KEPT_MS = 48 * _HOUR_MS

_deliveries = sa.table("deliveries", *map(sa.column, ("webhook_id", "status", "completed_at")))
_credit_entries = sa.table("credit_entries", *map(sa.column, ("team_id", "amount", "created_at", "delivery_id")))


def upgrade() -> None:
    """Make the tables and the index, and count what is there."""
    hours = op.create_table(
        "webhook_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "webhook_id"),
        sqlite_with_rowid=False,
    )
    days = op.create_table(
        "credit_days",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "day"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_webhooks_team_active",
        "webhooks",
        ["team_id", "active", "seq"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.execute(hours.insert().from_select(list(hours.c.keys()), _ended_by_hour()))
    op.execute(days.insert().from_select(list(days.c.keys()), _consumed_by_day()))


def downgrade() -> None:
    """Remove them."""
    op.drop_index(
        "ix_webhooks_team_active",
        table_name="webhooks",
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_table("credit_days")
    op.drop_table("webhook_hours")


def _ended_by_hour() -> sa.Select[tuple[int, str, int, int]]:
    ended_at, status = _deliveries.c.completed_at, _deliveries.c.status
    hour = (ended_at - ended_at % _HOUR_MS).label("hour")
    newest = sa.select(sa.func.max(ended_at)).scalar_subquery()
    succeeded, failed = (sa.func.sum(sa.case((status == end, 1), else_=0)) for end in ("succeeded", "failed"))
    return (
        sa.select(hour, _deliveries.c.webhook_id, succeeded, failed)
        .where(status.in_(("succeeded", "failed")), ended_at > newest - _KEPT_MS)
        .group_by(hour, _deliveries.c.webhook_id)
    )


def _consumed_by_day() -> sa.Select[tuple[str, int, int]]:
    at = _credit_entries.c.created_at
    day = (at - at % _DAY_MS).label("day")
    return (
        sa.select(_credit_entries.c.team_id, day, -sa.func.sum(_credit_entries.c.amount))
        .where(_credit_entries.c.delivery_id.is_not(None))
        .group_by(_credit_entries.c.team_id, day)
    )
