"""Webhooks can be about operations: they are told of webhooks and credits, through an outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
# Older nodes would deliver events of the product to an operational webhook, and charge for what it gets.
readable_by = "0020"


def upgrade() -> None:
    """Add the columns: all webhooks that there are get events of the product, in the standard body."""
    op.add_column("webhooks", sa.Column("about", sa.Text(), nullable=False, server_default="events"))
    op.add_column("webhooks", sa.Column("body_format", sa.Text(), nullable=False, server_default="standard"))
    op.create_index("ix_webhooks_about", "webhooks", ["about", "team_id"])
    op.create_table(
        "operational_events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("about_team_id", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text()),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_operational_events_webhook", "operational_events", ["webhook_id", "type"])


def downgrade() -> None:
    """Remove them, with the operational webhooks: what they subscribe to means something else without them."""
    op.execute(sa.text("UPDATE webhooks SET active = FALSE, deleted_at = updated_at WHERE about = 'operations'"))
    op.drop_table("operational_events")
    op.drop_index("ix_webhooks_about", "webhooks")
    op.drop_column("webhooks", "body_format")
    op.drop_column("webhooks", "about")
