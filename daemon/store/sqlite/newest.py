"""Bringing a database to the newest revision, after checking that it is ours and which commits are missing."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

from daemon.store.engine import DatabaseRefused
from daemon.store.migrate import Seal, known_revisions
from daemon.store.schema import HEAD_REVISION
from daemon.store.sequences import CountedSequences
from daemon.store.sqlite.commit_count import COUNTED_SINCE, last_commit
from daemon.store.sqlite.commit_record import Commit, History, keep_loss, last_recorded, loss_of, missing_from
from daemon.store.sqlite.content import READ_AT_START, wrong_cell
from daemon.store.sqlite.create import create_newest
from daemon.store.sqlite.structure import difference, read_revision, read_structure
from daemon.store.sqlite.upgrade import upgrade


def require_known_revision(revision: str) -> None:
    """Raise DatabaseRefused unless this version can open a database of this revision."""
    if revision not in known_revisions():
        raise DatabaseRefused(f"was made by a newer version (revision {revision}): install that version again")


def bring_to_newest(engine: Engine, seal: Seal, path: Path) -> tuple[CountedSequences, History]:
    """Create or upgrade the database; return its sequences, and whether everything acknowledged is in it.

    Raises DatabaseRefused, with a message to be put after the file's name, if it is not ours or was made by a newer
    version.
    """
    with engine.begin() as connection:
        current = _revision(connection)
        if current is not None:
            _require_our_structure(connection, current)
        if current not in (None, HEAD_REVISION):
            require_known_revision(current)
        _require_our_content(connection)
        # Before anything is written: the write-ahead log may hold what can still be saved.
        history = _compare(connection, current, path)
        if current is None:
            create_newest(connection)
    if current not in (None, HEAD_REVISION):
        upgrade(engine, current, seal)
    with engine.connect() as connection:
        return CountedSequences(connection), history


def _compare(connection: Connection, revision: str | None, path: Path) -> History:
    recorded = last_recorded(path)
    if revision is None or revision < COUNTED_SINCE:
        return History(None if recorded is None else "the record is of another database")
    found = last_commit_in(connection)
    if loss := missing_from(found, recorded):
        return History(loss=keep_loss(path, loss, found))
    if recorded is None:
        return History("there is no record of the last commits" if found.number else None, loss_of(path))
    foreign = recorded.database_id != found.database_id
    return History("the record is of another database" if foreign else None, loss_of(path))


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if tables and "alembic_version" not in tables:
        raise DatabaseRefused("is the database of another program: choose another state directory")
    if not read_structure(connection.connection.cursor()):
        return None
    revision = read_revision(connection.connection.cursor()) if tables else None
    if revision is None:
        raise DatabaseRefused("is the database of another program: choose another state directory")
    return revision


def last_commit_in(connection: Connection) -> Commit:
    """Return the last commit in the database. Raises DatabaseRefused if it does not count commits."""
    if (commit := last_commit(connection)) is None:
        raise DatabaseRefused("was changed by another program (it counts no commits): restore a backup from before")
    return commit


def _require_our_content(connection: Connection) -> None:
    if what := wrong_cell(connection.connection.driver_connection, READ_AT_START):  # type: ignore[arg-type]  # sqlite3's
        raise DatabaseRefused(f"was changed by another program ({what}): restore a backup from before")


def _require_our_structure(connection: Connection, revision: str) -> None:
    if what := difference(connection.connection.cursor(), revision):
        raise DatabaseRefused(f"was changed by another program ({what}): restore a backup from before")
