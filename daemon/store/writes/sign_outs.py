"""Writes: which console sessions were signed out."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from daemon.store.commands import EndSession
from daemon.store.schema import ended_sessions
from daemon.store.sequences import Sequences

# More than can arrive in between: each sign-out adds one.
_EXPIRED_AT_ONCE = 100


def end_sessions(connection: Connection, commands: Sequence[EndSession], _sequences: Sequences) -> list[None]:
    """Record sign-outs, and delete a bounded number of those whose session would have expired by now."""
    for command in commands:
        expired = select(ended_sessions.c.id).where(ended_sessions.c.expires_at <= command.now)
        oldest = expired.order_by(ended_sessions.c.expires_at).limit(_EXPIRED_AT_ONCE)
        connection.execute(delete(ended_sessions).where(ended_sessions.c.id.in_(oldest)))
        replaced = ended_sessions.c.id.in_([command.session_id, command.displaced])
        connection.execute(delete(ended_sessions).where(replaced))
        row = {"id": command.session_id, "key_id": command.key_id, "expires_at": command.expires_at}
        connection.execute(insert(ended_sessions), [row])
    return [None] * len(commands)
