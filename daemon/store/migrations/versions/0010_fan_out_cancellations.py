"""A webhook may be disabled and deleted while deliveries are still to be made: each part of them keeps its reason."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table anew with what it has: a row or so for each webhook whose deliveries are being made."""
    op.rename_table("fan_out_cancellations", "old_cancellations")
    _create(sa.PrimaryKeyConstraint("webhook_id", "last_seq"))
    op.execute(f"INSERT INTO fan_out_cancellations ({_COLUMNS}) SELECT {_COLUMNS} FROM old_cancellations")
    op.drop_table("old_cancellations")


def downgrade() -> None:
    """Go back; of each webhook the last reason stays, and is that of all."""
    op.rename_table("fan_out_cancellations", "new_cancellations")
    _create(sa.PrimaryKeyConstraint("webhook_id"))
    last = "SELECT webhook_id, max(last_seq) FROM new_cancellations GROUP BY webhook_id"
    op.execute(
        f"INSERT INTO fan_out_cancellations ({_COLUMNS}) "
        f"SELECT {_COLUMNS} FROM new_cancellations WHERE (webhook_id, last_seq) IN ({last})"
    )
    op.drop_table("new_cancellations")


_COLUMNS = "webhook_id, last_seq, reason, cancelled_at"


def _create(key: sa.PrimaryKeyConstraint) -> None:
    op.create_table(
        "fan_out_cancellations",
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=False),
        key,
        sqlite_with_rowid=False,
    )
