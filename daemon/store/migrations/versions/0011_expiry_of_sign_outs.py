"""Sign-outs that are over are found without looking at all."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_ended_sessions_expiry", "ended_sessions", ["expires_at"])


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_ended_sessions_expiry", table_name="ended_sessions")
