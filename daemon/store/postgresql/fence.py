"""What a writer's transaction ends with: it is kept only if this node's life has not ended (architecture "Nodes")."""

from sqlalchemy import Connection, text

from daemon.domain.errors import StoreUnavailable

# The lock is held until the transaction ends: who wants to end this life waits for that.
_PASS = text("SELECT 1 FROM nodes WHERE node = :node AND ended_at IS NULL FOR SHARE")


def pass_fence(connection: Connection, node: int) -> None:
    """Lock the life of this node against its end until COMMIT. Raises StoreUnavailable if it has ended."""
    if connection.execute(_PASS, {"node": node}).first() is None:
        raise StoreUnavailable("this node was taken for dead, and others have its work: try again in a moment")
