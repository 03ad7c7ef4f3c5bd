"""Pending deliveries may wait aside, and hold no other one of their webhook meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
# Older nodes do not know the status of a delivery that waits aside: they would refuse its row.
readable_by = "0028"


def upgrade() -> None:
    """Add the table: none waits aside."""
    op.create_table(
        "set_aside",
        sa.Column("delivery_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("counted_from", sa.BigInteger()),
        sa.PrimaryKeyConstraint("delivery_seq"),
    )
    op.create_index("ix_set_aside_due", "set_aside", ["due_at", "delivery_seq"])
    op.create_index("ix_set_aside_counted", "set_aside", ["counted_from", "delivery_seq"])


def downgrade() -> None:
    """Remove it: all that is pending waits in the order of its webhook again."""
    op.execute("UPDATE deliveries SET status = 'pending' WHERE status = 'pending_aside'")
    op.drop_table("set_aside")
