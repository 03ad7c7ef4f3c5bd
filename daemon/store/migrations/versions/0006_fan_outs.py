"""Deliveries of large submissions are made piece by piece; a team may have its own limit of webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the column; nothing is under way, and every team has the default limit."""
    op.add_column("teams", sa.Column("max_webhooks", sa.Integer(), nullable=True))
    op.create_table(
        "fan_outs",
        sa.Column("first_seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("next_place", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("webhooks", sa.Text(), nullable=False),
    )
    op.create_index("ix_fan_outs_team", "fan_outs", ["team_id", "first_seq"])
    op.create_table(
        "fan_out_cancellations",
        sa.Column("webhook_id", sa.Text(), primary_key=True),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them. Deliveries that are still to be made are lost: let the daemon finish them first."""
    op.drop_table("fan_out_cancellations")
    op.drop_table("fan_outs")
    op.drop_column("teams", "max_webhooks")


_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
