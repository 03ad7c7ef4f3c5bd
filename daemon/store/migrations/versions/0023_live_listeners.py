"""Webhooks can be live listeners: their deliveries go to a stream of the API."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
# Older nodes would send its deliveries to the address of a live listener, which nothing listens at.
readable_by = "0023"


def upgrade() -> None:
    """Add the column: every webhook that there is has a receiver of its own."""
    op.add_column("webhooks", sa.Column("live", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_webhooks_live", "webhooks", ["live", "deleted_at", "id"])


def downgrade() -> None:
    """Remove it: what listened gets deliveries at an address that no name leads to."""
    op.drop_index("ix_webhooks_live", "webhooks")
    op.drop_column("webhooks", "live")
