"""What ended in each hour and was consumed on each day is counted, page by page: a kill half way loses one page."""

import sqlalchemy as sa
from alembic import op

revision = "0002a"
down_revision = "0002"
branch_labels = None
depends_on = None

_PAGE_ROWS = 10_000
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_KEPT_MS = 48 * _HOUR_MS


def upgrade() -> None:
    """Make the tables, empty, and note where counting is to begin: at the newest rows."""
    op.create_table(
        "webhook_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "webhook_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credit_days",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally_progress",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("before_seq", sa.BigInteger(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name"),
        sqlite_with_rowid=False,
    )
    for table_name in _COUNT:
        op.execute(f"INSERT INTO tally_progress SELECT '{table_name}', coalesce(max(seq), 0) + 1, 0 FROM {table_name}")


def downgrade() -> None:
    """Remove them."""
    op.drop_table("tally_progress")
    op.drop_table("credit_days")
    op.drop_table("webhook_hours")


def finish_page(connection: sa.Connection, _seal: object) -> bool:
    """Count one page of rows; return whether there may be more. To be committed before the next page."""
    found = connection.exec_driver_sql("SELECT * FROM tally_progress WHERE before_seq > 1 ORDER BY table_name").first()
    if found is None:
        return False
    table_name, before, newest = found
    first = connection.exec_driver_sql(_FIRST_OF_PAGE.format(table_name), (before, _PAGE_ROWS - 1)).scalar() or 1
    if table_name == "deliveries":
        newest = max(newest, connection.exec_driver_sql(_NEWEST, (first, before)).scalar() or 0)
    page = {"first": first, "before": before, "after": newest - _KEPT_MS}
    connection.execute(sa.text(_COUNT[table_name]), page)
    connection.exec_driver_sql(
        "UPDATE tally_progress SET before_seq = ?, newest = ? WHERE table_name = ?", (first, newest, table_name)
    )
    return True


_FIRST_OF_PAGE = "SELECT seq FROM {} WHERE seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
_NEWEST = "SELECT max(completed_at) FROM deliveries WHERE seq >= ? AND seq < ?"
# Hours are kept for two days: what ended earlier than that before the newest is not counted.
_COUNT = {
    "credit_entries": f"""
        INSERT INTO credit_days (team_id, day, consumed)
        SELECT team_id, created_at - created_at % {_DAY_MS} AS day, -sum(amount) FROM credit_entries
        WHERE seq >= :first AND seq < :before AND delivery_id IS NOT NULL GROUP BY team_id, day
        ON CONFLICT (team_id, day) DO UPDATE SET consumed = credit_days.consumed + excluded.consumed
    """,
    "deliveries": f"""
        INSERT INTO webhook_hours (hour, webhook_id, succeeded, failed)
        SELECT completed_at - completed_at % {_HOUR_MS} AS hour, webhook_id, sum(status = 'succeeded'),
            sum(status = 'failed')
        FROM deliveries
        WHERE seq >= :first AND seq < :before AND status IN ('succeeded', 'failed') AND completed_at > :after
        GROUP BY hour, webhook_id
        ON CONFLICT (hour, webhook_id) DO UPDATE
        SET succeeded = webhook_hours.succeeded + excluded.succeeded, failed = webhook_hours.failed + excluded.failed
    """,
}
