"""Events may be of low priority."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
# Older nodes do not know the status of a delivery of low priority: they would refuse its row.
readable_by = "0032"


def upgrade() -> None:
    """Add the column: no event is of low priority."""
    op.add_column("events", sa.Column("low", sa.Boolean()))


def downgrade() -> None:
    """Remove it: all that is pending waits in the order of its webhook again."""
    op.execute("UPDATE deliveries SET status = 'pending' WHERE status = 'pending_low'")
    op.drop_column("events", "low")
