"""Upgrading an older database in steps: after a kill, the next start continues with the step that was interrupted."""

from collections.abc import Callable

from sqlalchemy import Engine

from daemon.store.migrate import Seal, migrate, page_of

# The newest revision in which some secrets may still be stored in plain text.
LAST_READABLE = "0001a"
_SEALING_BEGUN, _SEALED, _TALLIES_BEGUN = LAST_READABLE, "0002", "0002a"


def upgrade(engine: Engine, current: str, seal: Seal) -> None:
    """Migrate a database of this revision. Work that grows with the number of rows is done between migrations."""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        (_SEALING_BEGUN, lambda: _finish_pages(engine, seal, _SEALING_BEGUN)),
        (_SEALED, lambda: _overwrite_free_space(engine)),
        (_TALLIES_BEGUN, lambda: _finish_pages(engine, seal, _TALLIES_BEGUN)),
    )
    for revision, finish in steps:
        if current < revision:
            _migrate(engine, revision)
        if current <= revision:  # a kill may have interrupted it
            finish()
    _migrate(engine, "head")


def _migrate(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        migrate(connection, revision)


def _finish_pages(engine: Engine, seal: Seal, revision: str) -> None:
    page, more = page_of(revision), True
    while more:
        with engine.begin() as connection:
            more = page(connection, seal)


def _overwrite_free_space(engine: Engine) -> None:
    """Remove all traces of deleted and replaced rows from the file.

    VACUUM is one long statement that rewrites the file: it runs once in the life of a database, before any delivery.
    """
    connection = engine.raw_connection()
    connection.cursor().execute("VACUUM")
    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
