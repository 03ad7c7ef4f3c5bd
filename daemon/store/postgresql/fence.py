"""What a writer's transaction ends with: it is kept only if this node's life has not ended (architecture "Nodes")."""

from psycopg.errors import DivisionByZero
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from daemon.domain.errors import StoreUnavailable
from daemon.store.postgresql import pipeline
from daemon.store.postgresql.binary import bigint
from daemon.store.postgresql.exchange import Statement

# Fails if this life has ended, and nothing else in a transaction divides: so COMMIT can go with it. The lock is held
# until then: who wants to end this life waits for that.
_PASS = Statement(
    "SELECT 1 / count(*) FROM (SELECT 1 FROM nodes WHERE node = $1::bigint AND ended_at IS NULL FOR SHARE) AS living"
)


def require_life(connection: Connection, node: int) -> None:
    """Have COMMIT fail if the life of this node has ended: see `refusal_of`."""
    pipeline.send(connection, _PASS, (bigint(node),))


def refusal_of(error: BaseException) -> StoreUnavailable | None:
    """Return what callers are told if a transaction failed since the life of this node has ended."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, DivisionByZero):
        return StoreUnavailable("this node was taken for dead, and others have its work: try again in a moment")
    return None
