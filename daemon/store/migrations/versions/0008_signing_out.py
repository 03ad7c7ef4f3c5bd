"""Sign-outs of the console are kept, and a rotation knows when `X-Kakiyo-Signature` goes over to the new secret."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both; a rotation from before has switched at once."""
    op.add_column("webhooks", sa.Column("signature_switches_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Remove both."""
    op.drop_table("ended_sessions")
    op.drop_column("webhooks", "signature_switches_at")
