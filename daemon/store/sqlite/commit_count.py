"""Numbering the transactions that change something (see `daemon.store.sqlite.commit_record`)."""

from sqlalchemy import Connection

from daemon.store.sequences import CountedSequences
from daemon.store.sqlite.commit_record import Commit, commit_of

# The first revision that counts commits.
COUNTED_SINCE = "0009"
_COUNT = "UPDATE daemon_state SET commit_number = commit_number + 1 WHERE id = 1 RETURNING database_id, commit_number"
LAST_COMMIT = (
    "SELECT database_id, commit_number, (SELECT coalesce(max(seq), 0) FROM events) FROM daemon_state WHERE id = 1"
)


def count_commit(connection: Connection, sequences: CountedSequences) -> Commit:
    """Count the transaction that is about to be committed."""
    # The driver's own cursor: Core's overhead is several times the statement's cost, at every commit.
    cursor = connection.connection.cursor()
    cursor.execute(_COUNT)
    [(database_id, number)] = cursor.fetchall()
    return Commit(database_id, number, sequences.last_event)


def last_commit(connection: Connection) -> Commit | None:
    """Return the last commit in the database, None if its count is not in a form that we write."""
    return commit_of(connection.exec_driver_sql(LAST_COMMIT).first() or ())
