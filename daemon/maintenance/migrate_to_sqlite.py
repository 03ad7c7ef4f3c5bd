"""Migrating the store from a PostgreSQL database to a new SQLite file (contract "The database")."""

import os
import time
from functools import partial
from pathlib import Path

from daemon.config.settings import Settings
from daemon.maintenance.backup import ReportProgress, partial_database
from daemon.maintenance.opened_store import require_driver
from daemon.maintenance.state_dir import DATABASE, use_state_dir
from daemon.maintenance.store_migration import (
    Migrated,
    MigrationRefused,
    Share,
    copy_tables,
    credits_in,
    migration_refusals,
    require_equal,
)
from daemon.store.engine import DatabaseRefused
from daemon.store.reseal import open_all
from daemon.store.sqlite import whole_tables as sqlite
from daemon.store.sqlite.commit_record import remove_record
from daemon.store.sqlite.connections import read_only_engine
from daemon.store.sqlite.inspect import inspect_database
from daemon.store.whole_tables import TableSum


def migrate_to_sqlite(settings: Settings, report: ReportProgress) -> Migrated:
    """Copy the database of `store.url`, which no node uses, into a new file of the state directory; compare them.

    Raises MigrationRefused, also while a daemon runs, and when the state directory has a database already.
    """
    began, database = time.monotonic(), settings.state_dir / DATABASE
    with migration_refusals():
        require_driver()
        with use_state_dir(settings.state_dir):
            if os.path.lexists(database):
                raise MigrationRefused(f"{database}: is there already: move it away, or choose another state directory")
            with partial_database(database) as partial_file:
                copied, secrets = _copy(settings, partial_file.path, report)
                remove_record(database)
                partial_file.finish()
    return Migrated(
        target=str(database),
        rows=sum(one.rows for one in copied),
        credits=credits_in(copied),
        secrets=secrets,
        duration_ms=round((time.monotonic() - began) * 1000),
    )


def _copy(settings: Settings, path: Path, report: ReportProgress) -> tuple[list[TableSum], int]:
    """Copy into an empty file and check it; return what was copied, and how many secrets were opened."""
    from daemon.maintenance.postgresql_store import addresses_of, open_postgresql_store
    from daemon.store.postgresql import transfers
    from daemon.store.postgresql import whole_tables as postgresql

    address = addresses_of(settings)[1]
    transfers.require_ours(address)
    database, vault, _ = open_postgresql_store(settings)  # refuses a key that does not fit, and upgrades
    database.close()
    with transfers.giving(address) as source:
        size, rows = postgresql.size_and_rows(source)
        with sqlite.writing(path) as target:
            copied = copy_tables(
                partial(postgresql.pages, source),
                partial(sqlite.write_pages, target),
                Share(report, "Copying", size, rows=rows),
            )
        _require_undamaged(path, report)
        with sqlite.reading(path) as reading:
            require_equal(copied, partial(sqlite.pages, reading), Share(report, "Comparing", size, rows=rows))
    engine = read_only_engine(path)
    try:
        with engine.connect() as connection:
            return copied, open_all(connection, vault.open)
    finally:
        engine.dispose()


def _require_undamaged(path: Path, report: ReportProgress) -> None:
    report("Checking", 0, 0)
    try:
        inspect_database(path)
    except DatabaseRefused as refusal:
        raise MigrationRefused(f"the copy {refusal}; nothing was changed") from None
    report("Checking", size := path.stat().st_size, size)
