"""Many deliveries are resent or cancelled by one job."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
# Older nodes do not know why a delivery was cancelled on request: they would refuse its row.
readable_by = "0021"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "bulk_jobs",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Boolean(), nullable=False),
        sa.Column("seqs", sa.Text()),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer()),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_bulk_jobs_team", "bulk_jobs", ["team_id", "seq"])
    op.create_index("ix_bulk_jobs_team_status", "bulk_jobs", ["team_id", "status", "seq"])
    op.create_index("ix_bulk_jobs_status", "bulk_jobs", ["status", "seq"])


def downgrade() -> None:
    """Remove it: what was done stays done."""
    op.drop_table("bulk_jobs")
