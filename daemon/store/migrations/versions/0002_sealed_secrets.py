"""Secrets of webhooks are sealed, and a rotated one stays valid for a while beside the new one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns of the previous secret, and forget how far sealing had got: it is finished."""
    op.drop_table("sealing_progress")
    op.add_column("webhooks", sa.Column("previous_secret", sa.Text(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_secret_expires_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Remove the columns; sealed secrets stay sealed, for no older version has the key."""
    op.drop_column("webhooks", "previous_secret_expires_at")
    op.drop_column("webhooks", "previous_secret")
    op.create_table("sealing_progress", sa.Column("before_seq", sa.BigInteger(), nullable=False))
    op.execute("INSERT INTO sealing_progress VALUES (0)")
