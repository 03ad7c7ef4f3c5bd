"""Secrets of webhooks are sealed page by page: a kill half way loses one page, and none is sealed twice."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0001a"
down_revision = "0001"
branch_labels = None
depends_on = None

# These take some 20 ms.
_PAGE_ROWS = 500


def upgrade() -> None:
    """Note where sealing is to begin: at the newest webhook."""
    op.create_table("sealing_progress", sa.Column("before_seq", sa.BigInteger(), nullable=False))
    op.execute("INSERT INTO sealing_progress SELECT coalesce(max(seq), 0) + 1 FROM webhooks")


def downgrade() -> None:
    """Remove it; sealed secrets stay sealed, for no older version has the key."""
    op.drop_table("sealing_progress")


def finish_page(connection: sa.Connection, seal: Callable[[str, str], str]) -> bool:
    """Seal a page of secrets; return whether there may be more. To be committed before the next page."""
    (before,) = connection.exec_driver_sql("SELECT before_seq FROM sealing_progress").one()
    page = connection.exec_driver_sql(_PAGE, (before, _PAGE_ROWS)).all()
    sealed = [(seal(secret, webhook_id), seq) for seq, webhook_id, secret in page if secret is not None]
    if sealed:
        connection.exec_driver_sql("UPDATE webhooks SET secret = ? WHERE seq = ?", sealed)
    if page:
        connection.exec_driver_sql("UPDATE sealing_progress SET before_seq = ?", (page[-1].seq,))
    return len(page) == _PAGE_ROWS


_PAGE = "SELECT seq, id, secret FROM webhooks WHERE seq < ? ORDER BY seq DESC LIMIT ?"
