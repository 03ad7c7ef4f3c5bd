"""Mails have a kind: there are others than the team's copy of the mail about a disabled webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
# Older nodes send the operator's copy in the words of the team's.
readable_by = "0012"


def upgrade() -> None:
    """Add the column: the mails that there are, and those of older nodes, are the team's about a disabled webhook."""
    op.add_column("mails", sa.Column("kind", sa.Text(), nullable=False, server_default="webhook_disabled"))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("mails", "kind")
