"""Events may be delivered at a later time."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
# Older nodes would make the deliveries of large submissions at once.
readable_by = "0029"


def upgrade() -> None:
    """Add the column: all events are delivered at once."""
    op.add_column("events", sa.Column("deliver_at", sa.BigInteger()))


def downgrade() -> None:
    """Remove it: what waits for its time goes on waiting."""
    op.drop_column("events", "deliver_at")
