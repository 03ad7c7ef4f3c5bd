"""Links that sign a customer in to a team's console."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
# Older nodes know no links: they lead their sessions to the sign-in.
readable_by = "0012"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "portal_links",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("return_url", sa.Text()),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_portal_links_team", "portal_links", ["team_id", "seq"])
    op.create_index("ix_portal_links_expiry", "portal_links", ["expires_at"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("portal_links")
