"""Migrating the store from an SQLite file to a PostgreSQL database (contract "The database")."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from daemon.config.settings import Settings
from daemon.crypto.encryption_keys import find_keys
from daemon.crypto.vault import Vault
from daemon.maintenance.backup import ReportProgress, copy_checked, partial_database
from daemon.maintenance.migrated_file import retire
from daemon.maintenance.opened_store import require_driver
from daemon.maintenance.sealed_database import discard_unused, require_fitting
from daemon.maintenance.state_dir import require_database, use_state_dir
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
from daemon.store.sqlite.commit_record import loss_of, loss_path
from daemon.store.sqlite.database import open_database
from daemon.store.sqlite.inspect import inspect_database, newest_commit

# The copy of a backup, in the state directory while it is being migrated.
_COPY = "migrating.db"


@dataclass(frozen=True, slots=True)
class _Source:
    """A database file that nobody else uses, and how messages name it."""

    path: Path
    named: Path


def migrate_to_postgresql(settings: Settings, backup: Path | None, report: ReportProgress) -> Migrated:
    """Copy the database of the state directory, or a backup, into the empty database of `store.url`; compare them.

    Then the file of the state directory is renamed; a backup stays as it is. Raises MigrationRefused, also while a
    daemon runs.
    """
    began = time.monotonic()
    with migration_refusals():
        require_driver()
        named = _require_file(settings, backup)
        with use_state_dir(settings.state_dir):
            done = _migrate(settings, backup, report, named=named)
            kept = _retire(named) if backup is None else None
    return replace(done, duration_ms=round((time.monotonic() - began) * 1000), kept=kept)


def _retire(database: Path) -> Path:
    try:
        return retire(database)
    except OSError as error:
        raise MigrationRefused(
            f"{database}: was migrated, but cannot be renamed ({error.strerror}): rename it, and set store.url"
        ) from None


def _require_file(settings: Settings, backup: Path | None) -> Path:
    """Return the file that is to be copied."""
    if backup is not None:
        if not backup.is_file():
            raise MigrationRefused(f"{backup}: there is no such file: choose a backup")
        return backup
    database = require_database(settings.state_dir)
    _require_nothing_lost(database)
    return database


def _require_nothing_lost(database: Path) -> None:
    if loss_of(database) is not None:
        raise MigrationRefused(
            f"{loss_path(database)}: says that acknowledged commits are missing: deal with that first, as doctor "
            "tells, and remove the file"
        )


def _migrate(settings: Settings, backup: Path | None, report: ReportProgress, *, named: Path) -> Migrated:
    from daemon.maintenance.postgresql_store import addresses_of
    from daemon.store.postgresql import transfers
    from daemon.store.postgresql import whole_tables as postgresql

    address, commit = addresses_of(settings)[1], newest_commit(named)
    # The target first: what is wrong there is told at once, and before the file is upgraded.
    with (
        transfers.receiving(address, None if commit is None else commit.database_id) as target,
        _source(settings, backup, report, named=named) as source,
    ):
        vault = _bring_to_newest(settings, source)
        with sqlite.reading(source.path) as reading:
            size, rows = sqlite.size_and_rows(reading)
            copied = copy_tables(
                partial(sqlite.pages, reading),
                partial(postgresql.write_pages, target),
                Share(report, "Copying", size, rows=rows),
            )
        postgresql.set_sequences(target)
        require_equal(copied, partial(postgresql.pages, target), Share(report, "Comparing", size, rows=rows))
        secrets = open_all(target, vault.open)
        postgresql.analyze(target)
    return Migrated(str(address), rows=rows, credits=credits_in(copied), secrets=secrets)


@contextmanager
def _source(settings: Settings, backup: Path | None, report: ReportProgress, *, named: Path) -> Iterator[_Source]:
    """Give the file, checked; of a backup a copy, which may be upgraded."""
    if backup is None:
        report("Checking", 0, 0)
        try:
            inspect_database(named)
        except DatabaseRefused as refusal:
            raise MigrationRefused(f"{named}: {refusal}") from None
        report("Checking", size := named.stat().st_size, size)
        yield _portable(_Source(named, named))
        return
    with partial_database(settings.state_dir / _COPY) as partial_file:
        copy_checked(backup, partial_file, report, named=named)
        yield _portable(_Source(partial_file.path, named))


def _portable(source: _Source) -> _Source:
    if what := sqlite.cell_of_this_engine_alone(source.path):
        raise MigrationRefused(f"{source.named}: PostgreSQL cannot hold all of it ({what}): correct or delete that row")
    return source


def _bring_to_newest(settings: Settings, source: _Source) -> Vault:
    """Upgrade the file, and return the vault that opens its secrets."""
    key_file = find_keys(settings)
    vault = Vault(key_file.keys)
    try:
        database = open_database(source.path, vault.seal)
        try:
            require_fitting(database, vault, key_file.path)
        finally:
            database.close()
        _require_nothing_lost(source.path)
    except DatabaseRefused:
        discard_unused(key_file, vault)
        raise
    return vault
