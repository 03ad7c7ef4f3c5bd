"""Webhooks have options of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
# Older nodes would deliver as if a webhook had none.
readable_by = "0027"


def upgrade() -> None:
    """Add the column: all webhooks that there are do as usual."""
    op.add_column("webhooks", sa.Column("options", sa.Text()))


def downgrade() -> None:
    """Remove it: all webhooks do as usual again."""
    op.drop_column("webhooks", "options")
