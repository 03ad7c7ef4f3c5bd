"""Each hour of a webhook knows what was cancelled, what its attempts took, and why they failed."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0022"
branch_labels = None
depends_on = None
# Older nodes count what succeeded and what failed, and nothing else: it is missing in the pictures.
readable_by = "0021"

_COLUMNS = (
    *("cancelled", "latency_10", "latency_20", "latency_50", "latency_100", "latency_200", "latency_500"),
    *("latency_1000", "latency_2000", "latency_5000", "latency_10000", "latency_more"),
)


def upgrade() -> None:
    """Add the columns, of which the hours so far have nothing, and the table of errors."""
    for name in _COLUMNS:
        op.add_column("webhook_hours", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "webhook_errors",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "webhook_id", "outcome", "status"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("webhook_errors")
    for name in reversed(_COLUMNS):
        op.drop_column("webhook_hours", name)
