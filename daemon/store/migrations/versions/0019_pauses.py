"""Webhooks can be paused, and resume by themselves at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
# Older nodes would deliver for a webhook that is paused.
readable_by = "0019"


def upgrade() -> None:
    """Add the columns: nothing is paused."""
    op.add_column("webhooks", sa.Column("paused_at", sa.BigInteger()))
    op.add_column("webhooks", sa.Column("resumes_at", sa.BigInteger()))
    op.create_index("ix_webhooks_paused", "webhooks", ["paused_at", "id"])
    op.create_index("ix_webhooks_resuming", "webhooks", ["resumes_at", "id"])


def downgrade() -> None:
    """Remove them: what was paused is delivered."""
    op.drop_index("ix_webhooks_resuming", "webhooks")
    op.drop_index("ix_webhooks_paused", "webhooks")
    op.drop_column("webhooks", "resumes_at")
    op.drop_column("webhooks", "paused_at")
