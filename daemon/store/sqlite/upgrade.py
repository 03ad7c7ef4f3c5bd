"""Bringing an older database to the newest revision in steps: one that is killed goes on where it was."""

from sqlalchemy import Engine

from daemon.store.sqlite.migrate import Seal, migrate, page_of

# The newest revision whose secrets stood readable in the database.
LAST_READABLE = "0001"
_SEALED, _TALLIES_BEGUN = "0002", "0002a"


def upgrade(engine: Engine, current: str, seal: Seal) -> None:
    """Migrate a database of this revision. What grows with its rows is done between migrations."""
    for revision, finish in ((_SEALED, _overwrite_free_space), (_TALLIES_BEGUN, _count_tallies)):
        if current < revision:
            _migrate(engine, seal, revision)
        if current <= revision:  # it may have been killed before it was finished
            finish(engine)
    _migrate(engine, seal, "head")


def _migrate(engine: Engine, seal: Seal, revision: str) -> None:
    with engine.begin() as connection:
        migrate(connection, seal, revision)


def _count_tallies(engine: Engine) -> None:
    page, more = page_of(_TALLIES_BEGUN), True
    while more:
        with engine.begin() as connection:
            more = page(connection)


def _overwrite_free_space(engine: Engine) -> None:
    """Leave nothing of what was deleted or replaced in the file."""
    connection = engine.raw_connection()
    connection.cursor().execute("VACUUM")
    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
