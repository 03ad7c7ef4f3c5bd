"""Several deliveries of a webhook may be in flight while the others are cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
# Older nodes would cancel them.
readable_by = "0031"


def upgrade() -> None:
    """Add the column: one at most was in flight."""
    op.add_column("cancellations", sa.Column("except_seqs", sa.Text()))


def downgrade() -> None:
    """Remove it: those that are in flight are cancelled, too."""
    op.drop_column("cancellations", "except_seqs")
