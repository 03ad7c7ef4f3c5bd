"""A PostgreSQL database that stays open from one test to the next: to open one takes longer than most tests.

What could tell a test of those before it is new each time: the database's own values, its execution options and its
events. Only the sessions of the server are the same.
"""

import select
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Connection, event

from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from daemon.store.postgresql.sequences import SharedSequences
from daemon.store.progress import Progress
from tests.support.statements import share_statements


class _Borrowed(PostgresqlDatabase):
    """One whose connections outlive it."""

    def close(self) -> None:
        """Leave them open."""


@dataclass(slots=True)
class KeptOpen:
    """An open database, its sessions so far, and as what it was last given away."""

    opened: PostgresqlDatabase
    sessions: list[psycopg.Connection[Any]] = field(default_factory=list)
    borrowed: PostgresqlDatabase | None = None

    def borrow(self) -> PostgresqlDatabase:
        """Return it as if it had just been opened."""
        writing = self.opened.writing.execution_options()
        self.borrowed = _Borrowed(
            writing=writing,
            writer=Connection(writing, connection=self.opened.writer.connection),
            reading=self.opened.reading.execution_options(),
            coordinating=self.opened.coordinating.execution_options(),
            sequences=SharedSequences(),
            progress=Progress(),
            deadlines=self.opened.deadlines,
        )
        return self.borrowed

    def is_at_rest(self) -> bool:
        """Whether it can be given away again: nobody is in the middle of anything, and no session was lost."""
        pools = self.opened.reading.pool, self.opened.coordinating.pool
        return (
            self._has_its_writer()
            and not any(pool.checkedout() for pool in pools)  # type: ignore[attr-defined]  # both are QueuePools
            and all(map(_is_quiet, self._open_sessions()))
        )

    def _has_its_writer(self) -> bool:
        if self.borrowed is None:
            return True
        writer, own = self.borrowed.writer, self.opened.writer
        return not writer.invalidated and not writer.in_transaction() and writer.connection is own.connection

    def process_ids(self) -> list[int]:
        """Return the numbers of its sessions' processes on the server."""
        return [session.info.backend_pid for session in self._open_sessions()]

    def close(self) -> None:
        """Close every connection."""
        if self.borrowed is not None and not self._has_its_writer():
            self.borrowed.writer.close()
        self.opened.close()

    def _open_sessions(self) -> list[psycopg.Connection[Any]]:
        return [session for session in self.sessions if not session.closed]


def keep_open(address: Address) -> KeptOpen:
    """Open a database."""
    kept = KeptOpen(share_statements(open_database(address)))
    kept.sessions.append(kept.opened.writer.connection.driver_connection)  # type: ignore[arg-type]  # psycopg's
    for engine in (kept.opened.reading, kept.opened.coordinating):
        event.listen(engine, "connect", lambda session, _record: kept.sessions.append(session))
    return kept


def _is_quiet(session: psycopg.Connection[Any]) -> bool:
    """Whether the server has said nothing of its own: it does so when it closes a session."""
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN)
    return not poll.poll(0)
