"""Backing up the database into one file, also while the daemon runs (contract "Retention, backup and restore")."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.config.settings import ConfigError, Settings
from daemon.files.partial_file import InTheMaking, PartialFile, partial_file
from daemon.maintenance.state_dir import require_database, require_file_store
from daemon.store.engine import DatabaseRefused
from daemon.store.sqlite.copy import COMPANIONS, CopyFailed, copy_database
from daemon.store.sqlite.inspect import Contents, inspect_database

_READ_BYTES = 1_000_000

# Called with the current step, the bytes done, and their total; 0 of 0 if the total is unknown.
ReportProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    file: Path
    size: int
    duration_ms: int
    contents: Contents
    sha256: str


class BackupRefused(Exception):
    """Nothing was backed up or restored, and nothing was changed: the message says why, and what to do."""


def back_up(settings: Settings, file: Path, report: ReportProgress, *, replace: bool = False) -> Backup:
    """Copy the database as it is now into `file` (0600) and check the copy. Leaves a complete backup, or nothing.

    `replace` allows `file` to exist. Raises BackupRefused.
    """
    began = time.monotonic()
    with refusals():
        require_file_store(settings, "back it up with pg_dump, or with pg_basebackup and an archive of its log")
        source = require_database(settings.state_dir)
        _require_directory(file, settings.state_dir)
        _require_free_name(file, replace=replace)
        with partial_database(file) as partial:
            contents = copy_checked(source, partial, report, named=source)
            sha256 = _digest(partial.path, report)
            size = partial.path.stat().st_size
            _require_free_name(file, replace=replace)  # again: the copy took a while
            partial.finish()
    return Backup(
        file=file, size=size, duration_ms=round((time.monotonic() - began) * 1000), contents=contents, sha256=sha256
    )


@contextmanager
def refusals() -> Iterator[None]:
    """Turn every error that the user can correct into BackupRefused."""
    try:
        yield
    except (ConfigError, CopyFailed, DatabaseRefused) as error:
        raise BackupRefused(str(error)) from None
    except OSError as error:
        raise BackupRefused(f"{error.filename}: cannot be used ({error.strerror}): correct that") from None


@contextmanager
def partial_database(target: Path) -> Iterator[PartialFile]:
    """Create a database file that gets the name `target` when finished (see `partial_file`). Raises BackupRefused."""
    try:
        with partial_file(target, COMPANIONS) as partial:
            yield partial
    except InTheMaking:
        raise BackupRefused(f"{target}: is being written by another command: wait for that one") from None
    except OSError as error:
        raise BackupRefused(
            f"{target}: cannot be written ({error.strerror}): correct that, or choose another place"
        ) from None


def copy_checked(source: Path, partial: PartialFile, report: ReportProgress, *, named: Path) -> Contents:
    """Copy the database at `source` and check the copy; error messages call it `named`.

    Raises CopyFailed and DatabaseRefused.
    """
    copy_database(
        source,
        partial.path,
        require_space=lambda needed: _require_space(partial.path.parent, needed),
        progress=lambda done, of: report("Copying", done, of),
    )
    report("Checking", 0, 0)
    try:
        contents = inspect_database(partial.path)
    except DatabaseRefused as refusal:
        raise DatabaseRefused(f"{named}: {refusal}") from None
    report("Checking", size := partial.path.stat().st_size, size)
    return contents


def _require_space(directory: Path, needed: int) -> None:
    # A full disk would stop the daemon, too.
    if (free := shutil.disk_usage(directory).free) < needed:
        raise CopyFailed(
            f"{directory}: {needed / 1e6:,.0f} MB are needed there, and {free / 1e6:,.0f} MB are free: "
            "free some, or choose another place"
        )


def _require_directory(file: Path, state_dir: Path) -> None:
    if not file.parent.is_dir():
        raise BackupRefused(f"{file.parent}: is not a directory: make it, or choose another place")
    if file.parent.samefile(state_dir):
        raise BackupRefused(f"{file}: the state directory itself is the daemon's own: choose another directory")


def _require_free_name(file: Path, *, replace: bool) -> None:
    if not os.path.lexists(file):
        return
    if file.is_symlink() or not file.is_file():
        raise BackupRefused(f"{file}: is not a file: choose another name")
    if not replace:
        raise BackupRefused(f"{file}: is there already: choose another name, or replace it with --force")


def _digest(path: Path, report: ReportProgress) -> str:
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
            done += len(data)
            report("Digest", done, size)
    return digest.hexdigest()
