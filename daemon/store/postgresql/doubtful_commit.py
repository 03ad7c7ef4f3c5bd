"""What became of a COMMIT whose answer was lost: the server is asked."""

import time

from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

_STATUS = text("SELECT pg_xact_status(CAST(:number AS xid8))")
# A server that is restarted, or a standby that is promoted, may take a few seconds; callers wait for this.
_ASK_FOR_S = 8.0
_ASK_EVERY_S = 0.2


def is_committed(engine: Engine, number: str) -> bool:
    """Ask whether the transaction with this id was committed. It blocks for up to 8 s, in the writer's thread.

    False if it was not, and also if nobody could be asked, or it is still under way: then this stays unknown, and the
    writer's caller gets an error, which means just that.
    """
    until = time.monotonic() + _ASK_FOR_S
    while True:
        status = _ask(engine, number)
        if status in ("committed", "aborted") or time.monotonic() > until:
            return status == "committed"
        time.sleep(_ASK_EVERY_S)


def _ask(engine: Engine, number: str) -> str | None:
    """Return what the server says, None if it cannot be asked."""
    try:
        with engine.connect() as connection:
            return connection.execute(_STATUS, {"number": number}).scalar_one_or_none()
    except DatabaseError:
        return None
