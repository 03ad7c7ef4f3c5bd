"""A request that made something under an idempotency key has its answer kept, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; requests from before have no kept answers."""
    op.create_table(
        "kept_answers",
        sa.Column("scope", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_kept_answers_age", "kept_answers", ["created_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("kept_answers")
