"""Secrets of webhooks are sealed, and a rotated one stays valid for a while beside the new one."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_webhooks = sa.table("webhooks", sa.column("id", sa.Text()), sa.column("secret", sa.Text()))


def upgrade() -> None:
    """Make the columns of the previous secret, and seal what stands there readable."""
    op.add_column("webhooks", sa.Column("previous_secret", sa.Text(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_secret_expires_at", sa.BigInteger(), nullable=True))
    _seal_secrets(op.get_bind(), context.config.attributes["seal"])


def downgrade() -> None:
    """Remove the columns; sealed secrets stay sealed, for no older version has the key."""
    op.drop_column("webhooks", "previous_secret_expires_at")
    op.drop_column("webhooks", "previous_secret")


def _seal_secrets(connection: sa.Connection, seal: Callable[[str, str], str]) -> None:
    query = sa.select(_webhooks.c.id, _webhooks.c.secret).where(_webhooks.c.secret.is_not(None))
    for webhook_id, secret in connection.execute(query).all():
        sealed = seal(secret, webhook_id)
        connection.execute(sa.update(_webhooks).where(_webhooks.c.id == webhook_id).values(secret=sealed))
