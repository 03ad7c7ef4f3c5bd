"""The record of the last commits, a file next to the database: it tells a start if acknowledged ones are missing.

SQLite ends the replay of its write-ahead log at the first frame with a wrong checksum, and does not report what
followed. So each commit has a number. It is in the database and, after COMMIT and before any caller gets an answer, in
this file, which has a few slots that are used in turn. The file is not flushed: it survives a kill, and after a power
cut it may know fewer commits than the database, never more.
"""

import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of
from daemon.files.private_file import write_private_file
from daemon.files.regular_file import open_regular, read_text

_SLOTS, _SLOT_BYTES = 16, 64
_SLOT = struct.Struct("<32sQQ")  # database id, number of the commit, seq of the newest event
_CHECKSUM = struct.Struct("<I")
_DATABASE_ID = re.compile(r"[0-9a-f]{32}")
_TOO_LARGE = 2**62  # no count of ours gets there; SQLite's integers end at 2**63


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of one database, and the seq of the newest event at its time."""

    database_id: str
    number: int
    event_seq: int


@dataclass(frozen=True, slots=True)
class Loss:
    """How many acknowledged commits a database lacks, and how many events at most are among them.

    `damaged_log` is a copy of the write-ahead log as it was found, if there was one.
    """

    commits: int
    events: int
    damaged_log: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Whether everything acknowledged is in the database: why that is unknown, if it is, and what is missing."""

    unknown: str | None = None
    loss: Loss | None = None


def commit_of(row: Sequence[object]) -> Commit | None:
    """Return the commit in a row of a database, None unless the row has the form that we write."""
    match row:
        case [str() as database_id, int() as number, int() as event_seq]:
            is_ours = _DATABASE_ID.fullmatch(database_id) and 0 <= number < _TOO_LARGE and 0 <= event_seq < _TOO_LARGE
            return Commit(database_id, number, event_seq) if is_ours else None
    return None


class CommitRecord:
    """The file, opened for writing by `begin`: before that nothing changes it, since the database may be refused."""

    __slots__ = ("_descriptor", "_last", "_path", "number")

    def __init__(self, database: Path, last: Commit) -> None:
        """`last` is the last commit in the database."""
        self._path = record_path(database)
        self._last = last
        self.number = last.number
        self._descriptor = -1

    def begin(self) -> None:
        """Overwrite the file with the last commit in the database. Raises OSError."""
        self._descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        os.ftruncate(self._descriptor, 0)
        os.ftruncate(self._descriptor, _SLOTS * _SLOT_BYTES)
        self._write(self._last)

    def note(self, commit: Commit) -> None:
        """Record a commit after COMMIT. If the disk fails, the file knows fewer commits, which is safe."""
        self.number = commit.number
        with suppress(OSError):
            if self._descriptor < 0:
                self.begin()
            self._write(commit)

    def _write(self, commit: Commit) -> None:
        content = _SLOT.pack(commit.database_id.encode(), commit.number, commit.event_seq)
        offset = commit.number % _SLOTS * _SLOT_BYTES
        os.pwrite(self._descriptor, content + _CHECKSUM.pack(zlib.crc32(content)), offset)

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def record_path(database: Path) -> Path:
    """Return the path of this database's record."""
    return database.with_name(database.name + "-commits")


def loss_path(database: Path) -> Path:
    """Return the file that says what a start found missing; the operator removes it when that is dealt with."""
    return database.with_name(database.name + "-lost.json")


def last_recorded(database: Path) -> Commit | None:
    """Return the newest commit that the record knows, None if there is no record or nothing legible in it."""
    try:
        descriptor = open_regular(record_path(database), os.O_RDONLY)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_SLOTS * _SLOT_BYTES)
    commits = [_parse(content[start : start + _SLOT_BYTES]) for start in range(0, len(content), _SLOT_BYTES)]
    return max((commit for commit in commits if commit), key=lambda commit: commit.number, default=None)


def _parse(slot: bytes) -> Commit | None:
    content, checksum = slot[: _SLOT.size], slot[_SLOT.size : _SLOT.size + _CHECKSUM.size]
    if len(content) < _SLOT.size or checksum != _CHECKSUM.pack(zlib.crc32(content)):
        return None
    database_id, number, event_seq = _SLOT.unpack(content)
    return Commit(database_id.decode("ascii", "replace"), number, event_seq)


def missing_from(found: Commit, recorded: Commit | None) -> Loss | None:
    """Return the recorded commits that are missing from the database, whose last one is `found`; None if none are."""
    if recorded is None or recorded.database_id != found.database_id or recorded.number <= found.number:
        return None
    return Loss(recorded.number - found.number, max(0, recorded.event_seq - found.event_seq))


def keep_loss(database: Path, loss: Loss, found: Commit) -> Loss:
    """Add the loss to earlier ones in the file, and keep a copy of the write-ahead log. Raises OSError.

    The record then ends with `found`, so that the next start does not count this loss a second time, even if this
    start fails for another reason.
    """
    earlier = loss_of(database) or Loss(0, 0)
    log = _copy_of_log(database) or earlier.damaged_log
    total = Loss(earlier.commits + loss.commits, earlier.events + loss.events, log)
    content = {"commits": total.commits, "events": total.events, "damagedLog": total.damaged_log}
    write_private_file(loss_path(database), json.dumps(content) + "\n")
    record = CommitRecord(database, found)
    try:
        record.begin()
    finally:
        record.close()
    return total


def loss_of(database: Path) -> Loss | None:
    """Return what a start found missing, None if nothing or if the operator has removed the file."""
    try:
        content = json.loads(read_text(loss_path(database)))
        return Loss(int(content["commits"]), int(content["events"]), content["damagedLog"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Loss(1, 0)  # something was missing; the file no longer says how much


def require_regular_record(database: Path) -> None:
    """Raise OSError if the record or the loss file is a link, not a regular file, or cannot be read."""
    for path in (record_path(database), loss_path(database)):
        with acting_as_owner_of(database.parent), suppress(FileNotFoundError):
            os.close(open_regular(path, os.O_RDONLY))


def remove_record(database: Path) -> None:
    """Remove the record and the loss file of a database that is being replaced. Raises OSError."""
    record_path(database).unlink(missing_ok=True)
    loss_path(database).unlink(missing_ok=True)


def _copy_of_log(database: Path) -> str | None:
    log = database.with_name(database.name + "-wal")
    copy = log.with_name(f"{log.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    try:
        if not log.stat().st_size:
            return None
        shutil.copyfile(log, copy)
    except OSError:
        return None
    return str(copy)
