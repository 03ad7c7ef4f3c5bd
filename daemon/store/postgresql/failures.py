"""What PostgreSQL's errors mean: a server that is gone, full or read-only is StoreUnavailable, a 503 of the API."""

from typing import TypeGuard

from psycopg.errors import DeadlockDetected, SerializationFailure
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, InternalError, OperationalError

from daemon.domain.errors import StoreUnavailable
from daemon.domain.printable import in_one_line
from daemon.store.postgresql.exchange import OUTDATED


def is_failure(error: Exception) -> TypeGuard[DatabaseError]:
    """Whether the database itself failed: gone, stopped, full, out of memory or connections, or a lock not granted.

    psycopg gives these errors and those of a lost connection one class; its other classes are mistakes in a command.
    """
    return isinstance(error, OperationalError | InterfaceError | InternalError) or type(error) is DatabaseError


def is_conflict(error: Exception) -> bool:
    """Whether the server ended a transaction since it and another one waited for each other, or had changed meanwhile
    what this connection relied on: it may be tried again.
    """
    return isinstance(error, DBAPIError) and isinstance(error.orig, (DeadlockDetected, SerializationFailure, *OUTDATED))


def unavailable(error: DatabaseError) -> StoreUnavailable:
    """Return the error that callers get for a failure."""
    return StoreUnavailable(f"the database failed ({in_one_line(error.orig)})")
