"""Events can be erased: what is left of such a task is a row."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
# Older nodes would send an erased event's empty body, and do not know why its deliveries were cancelled.
readable_by = "0033"


def upgrade() -> None:
    """Add when an event was erased, and the table."""
    op.add_column("events", sa.Column("erased_at", sa.BigInteger()))
    op.create_table(
        "erasures",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("event_id"),
    )


def downgrade() -> None:
    """Remove both: what was erased stays so."""
    op.drop_table("erasures")
    op.drop_column("events", "erased_at")
