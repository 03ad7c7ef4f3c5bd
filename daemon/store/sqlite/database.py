"""The open database file, and opening it."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from daemon.domain.errors import StoreUnavailable
from daemon.files.disk_usage import DiskUse, disk_use
from daemon.store.engine import Apply, DatabaseRefused
from daemon.store.migrate import Seal
from daemon.store.progress import Progress
from daemon.store.sequences import CountedSequences
from daemon.store.sqlite.checkpoint import CHECKPOINT_FRAMES, WriteAheadLog
from daemon.store.sqlite.commit_count import count_commit
from daemon.store.sqlite.commit_record import CommitRecord, History, loss_of
from daemon.store.sqlite.connections import (
    keep_statement_journals_in_memory,
    read_only_engine,
    use_write_ahead_log,
    writing_engine,
)
from daemon.store.sqlite.copy import read_only_uri
from daemon.store.sqlite.failures import is_failure, refusal_to_open, unavailable
from daemon.store.sqlite.newest import bring_to_newest, last_commit_in
from daemon.store.sqlite.space import release_space
from daemon.store.upkeep_commands import ReleaseSpace

_OWN_COMMANDS: Mapping[type, Apply] = {ReleaseSpace: release_space}


@dataclass(frozen=True, slots=True)
class Database:
    """The open file: a `daemon.store.engine.Engine`.

    `writer` is the one connection of `writing`, held open: checking it out for each transaction costs more than COMMIT.
    """

    writing: Engine
    writer: Connection
    reading: Engine
    sequences: CountedSequences
    progress: Progress
    commits: CommitRecord
    history: History
    wal: WriteAheadLog

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(str(self.writing.url.database))

    @property
    def own_commands(self) -> Mapping[type, Apply]:
        """The commands that only SQLite has."""
        return _OWN_COMMANDS

    @property
    def transactions(self) -> int:
        """How many transactions have changed the file."""
        return self.commits.number

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction, and record its number before any caller gets an answer."""
        try:
            with self.writer.begin():
                before = self._rows_written
                yield self.writer
                commit = count_commit(self.writer, self.sequences) if self._rows_written > before else None
        except BaseException:
            # A failed COMMIT may leave the transaction open, while Core considers it closed.
            self.writer.connection.rollback()
            raise
        if commit is not None:
            self.commits.note(commit)

    def publish(self, commands: Sequence[Any], answers: Sequence[Any]) -> None:
        """Tell nobody: one process alone uses the file."""

    def arrange(self, batch: Sequence[Any]) -> None:
        """Leave a batch as it is."""

    def is_conflict(self, error: Exception) -> bool:
        """Never: there is one writer."""
        return False

    @property
    def _rows_written(self) -> int:
        return int(self.writer.connection.driver_connection.total_changes)  # type: ignore[union-attr]  # it is open

    def is_failure(self, error: Exception) -> TypeGuard[DatabaseError]:
        """Whether the database itself failed: full, locked, damaged."""
        return is_failure(error)

    def unavailable(self, error: DatabaseError) -> StoreUnavailable:
        """Return the error that callers get for a failure."""
        return unavailable(error)

    def is_checkpoint_due(self) -> bool:
        """Whether the write-ahead log has grown enough for a checkpoint."""
        return self.wal.holds(CHECKPOINT_FRAMES)

    def disk_use(self) -> DiskUse:
        """Return the sizes of the file and its log, and of their file system. Raises OSError."""
        return disk_use(self.path)

    def lost_commits(self) -> int:
        """Return how many acknowledged commits a start found missing, until the operator removes the record of it."""
        loss = loss_of(self.path)
        return 0 if loss is None else loss.commits

    def checkpoint_apart(self) -> WriteAheadLog:
        """Leave checkpoints to the caller from now on; before this call, commits checkpoint a log that has grown."""
        self.writer.connection.driver_connection.execute("PRAGMA wal_autocheckpoint = 0")  # type: ignore[union-attr]  # it is open
        return self.wal

    def close(self) -> None:
        """Close every connection."""
        self.commits.close()
        self.wal.close()
        self.reading.dispose()
        self.writer.close()
        self.writing.dispose()


def _refuse_to_seal(_secret: str, _webhook_id: str) -> str:
    raise DatabaseRefused("holds secrets that are not sealed yet: start the daemon with it, which has the key")


def open_database(path: Path, seal: Seal = _refuse_to_seal, progress: Progress | None = None) -> Database:
    """Open or create the database at `path` and bring it to the newest revision.

    `seal(secret, webhook_id)` seals secrets that an older version stored in plain text. `progress` counts the work
    done, including migrations, which may take minutes.
    Raises DatabaseRefused when the file is not ours, is damaged, or was made by a newer version.
    """
    # SQLite would open a read-only file without an error, and fail at the first write.
    if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
        raise DatabaseRefused(f"{path}: is read-only: give this user the right to write it")
    progress = progress or Progress()
    writing = writing_engine(path, progress)
    try:
        sequences, history = bring_to_newest(writing, seal, path)
        use_write_ahead_log(writing)
        keep_statement_journals_in_memory(writing)
        with writing.connect() as connection:
            commits = CommitRecord(path, last_commit_in(connection))
    except (DatabaseError, sqlite3.DatabaseError, UnicodeError) as error:
        writing.dispose()
        raise refusal_to_open(path, error) from None
    except OSError as error:
        writing.dispose()
        raise DatabaseRefused(f"{error.filename}: cannot be written ({error.strerror}): correct that") from None
    except DatabaseRefused as refusal:
        _dispose_unchanged(writing, path)
        raise DatabaseRefused(f"{path}: {refusal}") from None
    return Database(
        writing=writing,
        writer=writing.connect(),
        reading=read_only_engine(path),
        sequences=sequences,
        progress=progress,
        commits=commits,
        history=history,
        wal=WriteAheadLog(path),
    )


def _dispose_unchanged(writing: Engine, path: Path) -> None:
    """Close the database without a checkpoint, which the last connection that can write would run at closing."""
    with closing(sqlite3.connect(read_only_uri(path), uri=True)) as last:
        with suppress(sqlite3.Error):
            last.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        writing.dispose()
