"""What a team's API key may do, when it was last used, and who changed what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
# Older nodes make keys for admins, and keep no audit trail.
readable_by = "0012"


def upgrade() -> None:
    """Add the columns: the keys that there are may do everything, as before."""
    op.add_column("api_keys", sa.Column("role", sa.Text(), nullable=False, server_default="admin"))
    op.add_column("api_keys", sa.Column("last_used_at", sa.BigInteger()))
    op.create_table(
        "audit_entries",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.add_column("requests", sa.Column("entry", JSONB()))
    op.create_index("ix_audit_entries_team", "audit_entries", ["team_id", "seq"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("audit_entries")
    if op.get_context().dialect.name == "postgresql":
        op.drop_column("requests", "entry")
    op.drop_column("api_keys", "last_used_at")
    op.drop_column("api_keys", "role")
