"""Checkpoints of the write-ahead log, on a separate connection: no commit waits for one.

A checkpoint copies the log into the database, up to the oldest snapshot that is still being read. Once all of it is
copied and no read uses it, the next commit starts the log over (SQLite's "Write-Ahead Logging").
"""

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon.domain.errors import StoreUnavailable
from daemon.files.regular_file import open_regular
from daemon.store.sqlite.hardening import harden

# 16 MB. With fewer checkpoints the same pages of a large database are written less often: at SQLite's default of 4 MB,
# a delivery costs a third more with a million old ones.
CHECKPOINT_FRAMES = 4_000
# The headers of the log and of each frame ("WAL-mode File Format"): a frame from before the log started over has other
# salts than the log.
_LOG_HEADER, _FRAME_HEADER = 32, 24
_PAGE_SIZE, _LOG_SALTS, _FRAME_SALTS = slice(8, 12), slice(16, 24), 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How many frames (written pages) the log had when the checkpoint began, and how many are in the database now."""

    frames: int
    copied: int

    @property
    def is_whole(self) -> bool:
        """Whether the whole log is in the database: no read prevented it."""
        return self.copied == self.frames


class WriteAheadLog:
    """The log of a database that is open, and stays open as long as this."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-wal")
        self._database = database
        self._descriptor = -1
        self._connection: sqlite3.Connection | None = None

    @property
    def due_frames(self) -> int:
        """From how many frames on a checkpoint is due."""
        return CHECKPOINT_FRAMES

    def holds(self, frames: int) -> bool:
        """Return whether the log has at least this many frames; False if it cannot be read. Costs two cached reads."""
        with suppress(OSError):
            if self._descriptor < 0:
                self._descriptor = open_regular(self._path, os.O_RDONLY)  # there is none before the first commit
            return self._holds(frames)
        return False

    def _holds(self, frames: int) -> bool:
        header = os.pread(self._descriptor, _LOG_HEADER, 0)
        last = _LOG_HEADER + (frames - 1) * (_FRAME_HEADER + int.from_bytes(header[_PAGE_SIZE]))
        salts = header[_LOG_SALTS]
        return bool(salts) and os.pread(self._descriptor, len(salts), last + _FRAME_SALTS) == salts

    def size(self) -> int:
        """Return the size of its file, in bytes. Raises OSError."""
        return self._path.stat().st_size

    def checkpoint(self) -> Checkpoint:
        """Copy as much as possible into the database, concurrently with reads and writes. Raises StoreUnavailable."""
        _, frames, copied = self._run("PASSIVE")
        return Checkpoint(frames, copied)

    def empty(self) -> bool:
        """Truncate the log, which otherwise keeps what was written until that is overwritten; see `Checkpoints`."""
        is_busy, _, _ = self._run("TRUNCATE")
        return not is_busy

    def _run(self, mode: str) -> tuple[int, int, int]:
        try:
            self._connection = self._connection or self._connect()
            is_busy, frames, copied = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the write-ahead log cannot be copied into the database ({error})") from error
        return is_busy, frames, copied

    def _connect(self) -> sqlite3.Connection:
        # Without waiting for reads: commits wait meanwhile.
        connection = sqlite3.connect(self._database, timeout=0, isolation_level=None, check_same_thread=False)
        harden(connection)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def close(self) -> None:
        """Close its file and its connection. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        if self._connection is not None:
            self._connection.close()
        self._descriptor, self._connection = -1, None
