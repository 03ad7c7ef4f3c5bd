"""What became of a COMMIT whose answer was lost: the server is asked."""

import time
from enum import Enum

from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

_STATUS = text("SELECT pg_xact_status(CAST(:number AS xid8))")
# A server that is restarted, or a standby that is promoted, may take a few seconds; callers wait for this.
_ASK_FOR_S = 8.0
_ASK_EVERY_S = 0.2


class Fate(Enum):
    """What became of a transaction."""

    COMMITTED = "committed"
    UNDONE = "aborted"
    UNKNOWN = "in progress"


_FATES = {fate.value: fate for fate in Fate}


def fate_of(engine: Engine, number: str) -> Fate:
    """Ask what became of the transaction with this id. It blocks for up to 8 s, in the writer's thread.

    It stays unknown if nobody can be asked, or while it is under way: a COMMIT that waits for its standby cannot be
    ended without keeping it, nor be taken for kept.
    """
    until = time.monotonic() + _ASK_FOR_S
    while True:
        fate = _FATES.get(_ask(engine, number) or "", Fate.UNKNOWN)
        if fate is not Fate.UNKNOWN or time.monotonic() > until:
            return fate
        time.sleep(_ASK_EVERY_S)


def _ask(engine: Engine, number: str) -> str | None:
    """Return what the server says, None if it cannot be asked."""
    try:
        with engine.connect() as connection:
            return connection.execute(_STATUS, {"number": number}).scalar_one_or_none()
    except DatabaseError:
        return None
