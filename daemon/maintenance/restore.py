"""Putting a backup in the database's place while no daemon runs (contract "Retention, backup and restore")."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon.config.settings import Settings
from daemon.files.private_file import sync_directory
from daemon.maintenance.backup import BackupRefused, ReportProgress, copy_checked, made_beside, refusals
from daemon.maintenance.sealed_database import KeyFit, key_fit
from daemon.maintenance.state_dir import DATABASE, use_state_dir
from daemon.store.engine import DatabaseRefused
from daemon.store.sqlite.commit_record import remove_record, require_regular_record
from daemon.store.sqlite.copy import COMPANIONS, fold_log, require_regular_files
from daemon.store.sqlite.inspect import Contents
from daemon.store.sqlite.newest import require_known_revision


@dataclass(frozen=True, slots=True)
class Restored:
    """What is in place now, and where the database that was there is kept, if one was."""

    database: Path
    contents: Contents
    key: KeyFit
    kept: Path | None


def restore(settings: Settings, file: Path, report: ReportProgress, *, force: bool = False) -> Restored:
    """Check the backup in `file` and put a copy of it in the database's place; keep the database that is there.

    `force` takes a backup whose secrets another encryption key has sealed. Raises BackupRefused, with everything as it
    was, also while a daemon uses the state directory.
    """
    database = settings.state_dir / DATABASE
    with refusals():
        _require_backup(file, database)
        with use_state_dir(settings.state_dir), made_beside(database) as partial:
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
    """Give the database a second name, so that the first one never is without any; return it."""
    kept = _free_name(database)
    if database.exists():
        fold_log(database)
    # Whatever could not be folded in: SQLite would take it for the new database's own.
    for ending in COMPANIONS:
        beside = database.with_name(database.name + ending)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + ending))
    if not database.exists():
        return None
    os.link(database, kept)
    sync_directory(database.parent)
    return kept


def _free_name(database: Path) -> Path:
    """Return a name that nothing has yet, also when two are taken within a second."""
    moment, again = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), 1
    kept = database.with_name(f"{database.name}.before-restore-{moment}")
    while os.path.lexists(kept):
        again += 1
        kept = kept.with_name(f"{database.name}.before-restore-{moment}-{again}")
    return kept
