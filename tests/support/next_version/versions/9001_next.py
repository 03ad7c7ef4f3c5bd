"""What the next version adds: a column of each busy table, an index, a table."""

from alembic import op

from tests.support.next_version import BEFORE, REVISION, readable_by

revision = REVISION
down_revision = BEFORE
branch_labels = None
depends_on = None
readable_by = readable_by()  # type: ignore[assignment]  # as the test asks


def upgrade() -> None:
    """Add them."""
    for table in ("webhooks", "deliveries", "events", "teams"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN added_next text NOT NULL DEFAULT 'next'")
    op.execute("CREATE INDEX ix_next ON events (added_next, seq)")
    op.execute("CREATE TABLE next_things (id bigint PRIMARY KEY)")


def downgrade() -> None:
    """Nobody does."""
