"""What SQLite's errors mean: a full, locked or damaged database is StoreUnavailable, a 503 of the API."""

from pathlib import Path
from typing import TypeGuard

from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.domain.errors import StoreUnavailable
from daemon.domain.printable import in_one_line
from daemon.store.engine import DatabaseRefused


def is_failure(error: Exception) -> TypeGuard[DatabaseError]:
    """Whether the database itself failed: full, locked, damaged."""
    # A damaged file is a plain DatabaseError; its other subclasses are mistakes in a command.
    return isinstance(error, OperationalError) or type(error) is DatabaseError


def unavailable(error: DatabaseError) -> StoreUnavailable:
    """Return the error that callers get for a failure."""
    return StoreUnavailable(f"the database failed ({error.orig})")


def refusal_to_open(path: Path, error: Exception) -> DatabaseRefused:
    """Return why the database at `path` cannot be opened, and what to do."""
    reason = error.orig if isinstance(error, DatabaseError) else error
    return DatabaseRefused(f"{path}: cannot be opened ({in_one_line(reason)}): restore it from a backup, or free it")
