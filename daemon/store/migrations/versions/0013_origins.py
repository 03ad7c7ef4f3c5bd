"""Events know the key that they came with; deliveries know which one they were queued again for, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Nodes at this revision go on beside newer ones: what they write has no key and no origin.
readable_by = "0012"


def upgrade() -> None:
    """Make the columns, empty: of what is there already nobody knows."""
    op.add_column("events", sa.Column("key_id", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("origin_id", sa.Text(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("deliveries", "origin_id")
    op.drop_column("deliveries", "origin")
    op.drop_column("events", "key_id")
