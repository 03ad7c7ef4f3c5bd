"""Events may expire: what is pending of them then is cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
# Older nodes would deliver what has expired, and do not know that reason for cancelling.
readable_by = "0030"


def upgrade() -> None:
    """Add the column and the table: no event expires."""
    op.add_column("events", sa.Column("expires_at", sa.BigInteger()))
    op.create_table(
        "expiries",
        sa.Column("delivery_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_seq"),
    )
    op.create_index("ix_expiries_due", "expiries", ["expires_at", "delivery_seq"])


def downgrade() -> None:
    """Remove them: no event expires any more."""
    op.drop_table("expiries")
    op.drop_column("events", "expires_at")
