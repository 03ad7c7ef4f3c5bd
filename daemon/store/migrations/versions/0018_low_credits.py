"""Teams are told when their credits run low: a threshold for each, and mails about balances."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
# Older nodes tell nobody of low credits, and would send a mail about them in the words of a disabling.
readable_by = "0012"


def upgrade() -> None:
    """Add the columns, empty: no team has a threshold."""
    op.add_column("teams", sa.Column("low_credits", sa.BigInteger(), nullable=True))
    op.add_column("mails", sa.Column("balance", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("mails", "balance")
    op.drop_column("teams", "low_credits")
