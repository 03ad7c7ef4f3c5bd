"""The database file, open; and one sentence when it cannot be used."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.domain.errors import StoreUnavailable
from daemon.files.disk_usage import DiskUse, disk_use
from daemon.store.engine import Apply, DatabaseRefused
from daemon.store.migrate import Seal
from daemon.store.progress import Progress
from daemon.store.sequences import Sequences
from daemon.store.sqlite.checkpoint import CHECKPOINT_FRAMES, WriteAheadLog
from daemon.store.sqlite.commit_count import count_commit
from daemon.store.sqlite.commit_record import CommitRecord, History, loss_of
from daemon.store.sqlite.connections import read_only_engine, use_write_ahead_log, writing_engine
from daemon.store.sqlite.copy import read_only_uri
from daemon.store.sqlite.failures import in_one_line
from daemon.store.sqlite.newest import bring_to_newest, last_commit_in
from daemon.store.sqlite.space import release_space
from daemon.store.upkeep_commands import ReleaseSpace

_OWN_COMMANDS: Mapping[type, Apply] = {ReleaseSpace: release_space}


@dataclass(frozen=True, slots=True)
class Database:
    """The file, open: a `daemon.store.engine.Engine`.

    `writer` is that single connection, open for good: to check it out for each transaction costs more than a COMMIT's
    own work.
    """

    writing: Engine
    writer: Connection
    reading: Engine
    sequences: Sequences
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
        """What no other engine has."""
        return _OWN_COMMANDS

    @property
    def transactions(self) -> int:
        """How many transactions the file has had that changed something."""
        return self.commits.number

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction, and write down its number before anybody is answered."""
        try:
            with self.writer.begin():
                before = self._rows_written
                yield self.writer
                commit = count_commit(self.writer, self.sequences) if self._rows_written > before else None
        except BaseException:
            # A COMMIT that failed may leave the transaction open, though Core takes it for ended.
            self.writer.connection.rollback()
            raise
        if commit is not None:
            self.commits.note(commit)

    @property
    def _rows_written(self) -> int:
        return int(self.writer.connection.driver_connection.total_changes)  # type: ignore[union-attr]  # it is open

    def is_failure(self, error: Exception) -> TypeGuard[DatabaseError]:
        """Whether the database itself failed: full, locked, damaged."""
        # A damaged file is a plain DatabaseError; its other subclasses are mistakes in a command.
        return isinstance(error, OperationalError) or type(error) is DatabaseError

    def unavailable(self, error: DatabaseError) -> StoreUnavailable:
        """Return what callers are told of a failure."""
        return StoreUnavailable(f"the database failed ({error.orig})")

    def is_checkpoint_due(self) -> bool:
        """Whether the write-ahead log has grown."""
        return self.wal.holds(CHECKPOINT_FRAMES)

    def disk_use(self) -> DiskUse:
        """Return the sizes of the file and its log, and of their file system. Raises OSError."""
        return disk_use(self.path)

    def lost_commits(self) -> int:
        """Return how many acknowledged commits a start found missing, and nobody has dealt with."""
        loss = loss_of(self.path)
        return 0 if loss is None else loss.commits

    def checkpoint_apart(self) -> None:
        """Leave checkpoints to `wal` from now on: until this is called, a commit checkpoints a log that has grown."""
        self.writer.connection.driver_connection.execute("PRAGMA wal_autocheckpoint = 0")  # type: ignore[union-attr]  # it is open

    def close(self) -> None:
        """Close every connection."""
        self.commits.close()
        self.wal.close()
        self.reading.dispose()
        self.writer.close()
        self.writing.dispose()


def _refuse_to_seal(_secret: str, _webhook_id: str) -> str:
    raise DatabaseRefused("holds secrets that are not sealed yet: start the daemon on it, which has the key")


def open_database(path: Path, seal: Seal = _refuse_to_seal, progress: Progress | None = None) -> Database:
    """Open or create the database at `path` and bring it to the newest revision.

    `seal(secret, webhook_id)` seals the secrets of a database from before they were sealed. `progress` counts what is
    done, migrations too, which may take minutes.
    Raises DatabaseRefused when the file is not ours, is damaged, or was made by a newer version.
    """
    # SQLite itself would open it all the same, and fail at the first write.
    if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
        raise DatabaseRefused(f"{path}: is read-only: give this user the right to write it")
    progress = progress or Progress()
    writing = writing_engine(path, progress)
    try:
        sequences, history = bring_to_newest(writing, seal, path)
        use_write_ahead_log(writing)
        with writing.connect() as connection:
            commits = CommitRecord(path, last_commit_in(connection))
    except (DatabaseError, sqlite3.DatabaseError, UnicodeError) as error:
        writing.dispose()
        why = error.orig if isinstance(error, DatabaseError) else error
        raise DatabaseRefused(
            f"{path}: cannot be opened ({in_one_line(why)}): restore it from a backup, or free it"
        ) from None
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
    """Close it with the write-ahead log as it is: the last connection would write the log into the file if it could."""
    with closing(sqlite3.connect(read_only_uri(path), uri=True)) as last:
        with suppress(sqlite3.Error):
            last.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        writing.dispose()
