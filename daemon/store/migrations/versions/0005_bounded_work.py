"""What a disabling leaves to be cancelled later; between which times each block of events and deliveries lies."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, empty: blocks of what is there already are added while the daemon runs."""
    op.create_table(
        "cancellations",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        sa.Column("except_seq", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_cancellations_webhook", "cancellations", ["webhook_id", "seq"], unique=False)
    op.create_table(
        "time_blocks",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("earliest", sa.BigInteger(), nullable=False),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "first_seq"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them; deliveries that are left to be cancelled stay pending, as an older version cancels them."""
    op.drop_table("time_blocks")
    op.drop_index("ix_cancellations_webhook", table_name="cancellations")
    op.drop_table("cancellations")
