"""Webhooks know since when they were disabled until they work again, of which a mail tells."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
# Older nodes tell of no recovery, and would send the mail about one in the words of a disabling.
readable_by = "0012"


def upgrade() -> None:
    """Add the column, empty: nobody is told of webhooks that were enabled before."""
    op.add_column("webhooks", sa.Column("recovering_since", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("webhooks", "recovering_since")
