"""What a writer's transaction ends with: it is kept only if this node's life has not ended (architecture "Nodes")."""

from sqlalchemy import Connection

from daemon.domain.errors import StoreUnavailable
from daemon.store.postgresql import pipeline

# The transaction's id, if it has changed something.
_NUMBER = "SELECT pg_current_xact_id_if_assigned()::text"
# The lock is held until the transaction ends: who wants to end this life waits for that. What only reads needs none.
_PASS = f"""{_NUMBER}, (SELECT 1 FROM nodes
    WHERE node = %s AND ended_at IS NULL AND pg_current_xact_id_if_assigned() IS NOT NULL FOR SHARE)"""


def number_of(connection: Connection) -> str | None:
    """Carry out what waits; return the id of this transaction, None if it has changed nothing."""
    _, [(number,)] = pipeline.fetch(connection, _NUMBER, ())
    return None if number is None else str(number)


def pass_fence(connection: Connection, node: int) -> str | None:
    """Like `number_of`; lock the life of this node against its end until COMMIT if something was changed.

    Raises StoreUnavailable if it has ended.
    """
    _, [(number, is_living)] = pipeline.fetch(connection, _PASS, (node,))
    if number is None:
        return None
    if is_living is None:
        raise StoreUnavailable("this node was taken for dead, and others have its work: try again in a moment")
    return str(number)
