"""Commits are counted, so that a start can tell whether one is missing; and which time was last trusted."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table with its only row, and name the database."""
    table = op.create_table(
        "daemon_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("database_id", sa.Text(), nullable=False),
        sa.Column("commit_number", sa.BigInteger(), nullable=False),
        sa.Column("trusted_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(table, [{"id": 1, "database_id": uuid.uuid4().hex, "commit_number": 0, "trusted_time": None}])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("daemon_state")
