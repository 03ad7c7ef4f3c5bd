"""What ends in each hour and is consumed on each day is counted as it happens; webhooks are found by their state."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index, and forget how far counting had got: it is finished."""
    op.drop_table("tally_progress")
    op.create_index(
        "ix_webhooks_team_active",
        "webhooks",
        ["team_id", "active", "seq"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    """Remove the index; what is counted stays."""
    op.drop_index(
        "ix_webhooks_team_active",
        table_name="webhooks",
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "tally_progress",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("before_seq", sa.BigInteger(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name"),
        sqlite_with_rowid=False,
    )
