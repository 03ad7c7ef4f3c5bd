"""What PostgreSQL's errors mean."""

from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError


def is_failure(error: Exception) -> bool:
    """Whether the database itself failed: gone, stopped, full, out of memory or connections, or a lock not granted.

    psycopg gives these errors and those of a lost connection one class; its other classes are mistakes in a command.
    """
    return isinstance(error, OperationalError | InterfaceError | InternalError) or type(error) is DatabaseError
