"""Events know the trace that their submission belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column; events from before belong to no trace."""
    op.add_column("events", sa.Column("traceparent", sa.Text(), nullable=True))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("events", "traceparent")
