"""Restoring a backup while no daemon runs (contract "Retention, backup and restore")."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon.config.settings import Settings
from daemon.files.private_file import sync_directory
from daemon.maintenance.backup import BackupRefused, ReportProgress, copy_checked, partial_database, refusals
from daemon.maintenance.sealed_database import KeyFit, key_fit
from daemon.maintenance.state_dir import DATABASE, require_file_store, use_state_dir
from daemon.store.engine import DatabaseRefused
from daemon.store.sqlite.commit_record import remove_record, require_regular_record
from daemon.store.sqlite.copy import COMPANIONS, checkpoint_log, require_regular_files
from daemon.store.sqlite.inspect import Contents
from daemon.store.sqlite.newest import require_known_revision


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored database, and where the replaced one is kept (None if there was none)."""

    database: Path
    contents: Contents
    key: KeyFit
    kept: Path | None


def restore(settings: Settings, file: Path, report: ReportProgress, *, force: bool = False) -> Restored:
    """Check the backup in `file` and replace the database with a copy of it; keep the replaced database.

    `force` accepts a backup whose secrets are sealed with another encryption key. Raises BackupRefused, with nothing
    changed, also while a daemon uses the state directory.
    """
    database = settings.state_dir / DATABASE
    with refusals():
        require_file_store(settings, "restore it with pg_restore, or to a point in time, while no daemon runs")
        _require_backup(file, database)
        with use_state_dir(settings.state_dir), partial_database(database) as partial:
            require_regular_files(database)
            require_regular_record(database)
            contents = copy_checked(file, partial, report, named=file)
            _require_known(contents.revision, file)
            key = key_fit(settings, partial.path, contents.revision)
            if key is KeyFit.WRONG and not force:
                raise BackupRefused(_wrong_key(file))
            kept = _keep(database)
            remove_record(database)
            partial.finish()
    return Restored(database, contents, key=key, kept=kept)


def _require_backup(file: Path, database: Path) -> None:
    if not file.is_file():
        raise BackupRefused(f"{file}: there is no such file: choose a backup")
    if database.exists() and file.samefile(database):
        raise BackupRefused(f"{file}: is the daemon's own database: choose a backup of it")


def _require_known(revision: str, file: Path) -> None:
    try:
        require_known_revision(revision)
    except DatabaseRefused as refusal:
        raise BackupRefused(f"{file}: {refusal}") from None


def _wrong_key(file: Path) -> str:
    return (
        f"{file}: its secrets were sealed with another encryption key than the one here: put the key file of its time "
        "in place first, or go on with --force if the daemon gets its key elsewhere"
    )


def _keep(database: Path) -> Path | None:
    """Hard-link the database to a second name and return it: at no moment is there no database under the first."""
    kept = _free_name(database)
    if database.exists():
        checkpoint_log(database)
    # Companion files that are left: SQLite would use them with the new database.
    for ending in COMPANIONS:
        companion = database.with_name(database.name + ending)
        if companion.exists():
            companion.rename(kept.with_name(kept.name + ending))
    if not database.exists():
        return None
    os.link(database, kept)
    sync_directory(database.parent)
    return kept


def _free_name(database: Path) -> Path:
    """Return a name that does not exist yet, even for a second restore within the same second."""
    time, number = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), 1
    kept = database.with_name(f"{database.name}.before-restore-{time}")
    while os.path.lexists(kept):
        number += 1
        kept = kept.with_name(f"{database.name}.before-restore-{time}-{number}")
    return kept
