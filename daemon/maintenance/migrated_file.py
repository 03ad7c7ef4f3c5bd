"""The SQLite file after its rows went to a server: under another name, so that no daemon starts with it by mistake."""

import os
from datetime import UTC, datetime
from pathlib import Path

from daemon.files.private_file import sync_directory
from daemon.store.engine import DatabaseRefused
from daemon.store.sqlite.commit_record import record_path
from daemon.store.sqlite.copy import COMPANIONS, checkpoint_log

_MARK = ".migrated-"


def retire(database: Path) -> Path:
    """Rename the database and what stands beside it, durably; return its new name. Raises OSError.

    The database goes first. A crash in between leaves companions of no database: its log is empty by then, and a
    record of commits names the database that it belongs to.
    """
    checkpoint_log(database)
    kept = _free_name(database)
    database.rename(kept)
    for companion in (*(database.with_name(database.name + ending) for ending in COMPANIONS), record_path(database)):
        if companion.exists():
            companion.rename(kept.with_name(kept.name + companion.name.removeprefix(database.name)))
    sync_directory(database.parent)
    return kept


def require_not_retired(database: Path) -> None:
    """Raise DatabaseRefused if the database is not there because it was migrated: a new one would be empty."""
    if os.path.lexists(database):
        return
    if retired := sorted(database.parent.glob(f"{database.name}{_MARK}*Z")):
        raise DatabaseRefused(
            f"{database}: was migrated to PostgreSQL: set store.url, or give {retired[-1].name} its name back"
        )


def _free_name(database: Path) -> Path:
    kept = database.with_name(f"{database.name}{_MARK}{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    if os.path.lexists(kept):
        raise FileExistsError(17, "is there already", str(kept))
    return kept
