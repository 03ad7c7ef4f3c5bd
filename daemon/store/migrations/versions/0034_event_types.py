"""Event types are added while the daemon runs."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
# Older nodes would refuse their events, and validate none.
readable_by = "0034"


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "event_types",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("example", sa.Text(), nullable=False),
        sa.Column("validates", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("deprecated_at", sa.BigInteger()),
        sa.Column("archived_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "event_type_versions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
    )


def downgrade() -> None:
    """Remove them: what was added is forgotten, its events stay."""
    op.drop_table("event_type_versions")
    op.drop_table("event_types")
