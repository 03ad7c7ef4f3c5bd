"""Notification addresses confirm themselves, and teams have a time zone."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
# Older nodes ask no address, and would send a mail that asks one in the words of a disabling; they show times in UTC.
readable_by = "0021"


def upgrade() -> None:
    """Add the column, empty, and the table."""
    op.add_column("teams", sa.Column("time_zone", sa.Text(), nullable=True))
    op.create_table(
        "address_confirmations",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("mail_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("mail_id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_address_confirmations_team", "address_confirmations", ["team_id", "seq"])
    op.create_index("ix_address_confirmations_mailbox", "address_confirmations", ["mailbox", "created_at"])
    op.create_index("ix_address_confirmations_expiry", "address_confirmations", ["expires_at"])


def downgrade() -> None:
    """Remove them: addresses that were asked are forgotten."""
    op.drop_table("address_confirmations")
    op.drop_column("teams", "time_zone")
