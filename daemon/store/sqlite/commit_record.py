"""What was committed last, kept beside the database: by it a start knows whether something acknowledged is missing.

SQLite ends the replay of its write-ahead log at the first frame whose checksum is wrong and says nothing of what stood
behind it. Each commit has a number, in the database and, once COMMIT has returned and before anybody is answered, in a
file of a few fixed places, one after the other. The file is not flushed: a kill leaves it whole, and after a power cut
it may know of fewer commits than the database, never of more.
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

_PLACES, _PLACE_BYTES = 16, 64
_PLACE = struct.Struct("<32sQQ")  # database id, number of the commit, seq of the newest event
_CHECKSUM = struct.Struct("<I")
_DATABASE_ID = re.compile(r"[0-9a-f]{32}")
_BEYOND = 2**62  # no count comes so far, and from there SQLite's integers could not go on


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
    """Whether all that was acknowledged is there: why that cannot be told, if so, and what is missing."""

    unknown: str | None = None
    loss: Loss | None = None


def commit_of(row: Sequence[object]) -> Commit | None:
    """Return the commit that a row of a database tells, None unless it is as we write it."""
    match row:
        case [str() as database_id, int() as number, int() as event_seq]:
            is_ours = _DATABASE_ID.fullmatch(database_id) and 0 <= number < _BEYOND and 0 <= event_seq < _BEYOND
            return Commit(database_id, number, event_seq) if is_ours else None
    return None


class CommitRecord:
    """The file, open for writing from `begin` on; a database that is refused leaves it as it is."""

    __slots__ = ("_descriptor", "_last", "_path", "number")

    def __init__(self, database: Path, last: Commit) -> None:
        """`last` is the last commit that is in the database."""
        self._path = record_path(database)
        self._last = last
        self.number = last.number
        self._descriptor = -1

    def begin(self) -> None:
        """Write the file again with the last commit that is in the database. Raises OSError."""
        self._descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        os.ftruncate(self._descriptor, 0)
        os.ftruncate(self._descriptor, _PLACES * _PLACE_BYTES)
        self._write(self._last)

    def note(self, commit: Commit) -> None:
        """Write down a commit that has been made. If the disk fails, the file knows of fewer, which is safe."""
        self.number = commit.number
        with suppress(OSError):
            if self._descriptor < 0:
                self.begin()
            self._write(commit)

    def _write(self, commit: Commit) -> None:
        content = _PLACE.pack(commit.database_id.encode(), commit.number, commit.event_seq)
        place = commit.number % _PLACES * _PLACE_BYTES
        os.pwrite(self._descriptor, content + _CHECKSUM.pack(zlib.crc32(content)), place)

    def close(self) -> None:
        """Close the file; it may be closed again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def record_path(database: Path) -> Path:
    """Return where the record of this database is."""
    return database.with_name(database.name + "-commits")


def loss_path(database: Path) -> Path:
    """Return the file that says what a start found missing; to remove it is to say that this is dealt with."""
    return database.with_name(database.name + "-lost.json")


def last_recorded(database: Path) -> Commit | None:
    """Return the newest commit that the record knows, None if there is no record or nothing legible in it."""
    try:
        descriptor = open_regular(record_path(database), os.O_RDONLY)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_PLACES * _PLACE_BYTES)
    commits = [_parse(content[start : start + _PLACE_BYTES]) for start in range(0, len(content), _PLACE_BYTES)]
    return max((commit for commit in commits if commit), key=lambda commit: commit.number, default=None)


def _parse(place: bytes) -> Commit | None:
    content, checksum = place[: _PLACE.size], place[_PLACE.size : _PLACE.size + _CHECKSUM.size]
    if len(content) < _PLACE.size or checksum != _CHECKSUM.pack(zlib.crc32(content)):
        return None
    database_id, number, event_seq = _PLACE.unpack(content)
    return Commit(database_id.decode("ascii", "replace"), number, event_seq)


def missing_from(found: Commit, recorded: Commit | None) -> Loss | None:
    """Return what the database, whose last commit is `found`, lacks of what was recorded, None if nothing."""
    if recorded is None or recorded.database_id != found.database_id or recorded.number <= found.number:
        return None
    return Loss(recorded.number - found.number, max(0, recorded.event_seq - found.event_seq))


def keep_loss(database: Path, loss: Loss, found: Commit) -> Loss:
    """Add it to what was missing before, durably, and keep the write-ahead log as it was found. Raises OSError.

    From now on the record ends with `found`, too: if this start fails for another reason, the next one counts no loss
    again.
    """
    kept = loss_of(database) or Loss(0, 0)
    log = _copy_of_log(database) or kept.damaged_log
    whole = Loss(kept.commits + loss.commits, kept.events + loss.events, log)
    said = {"commits": whole.commits, "events": whole.events, "damagedLog": whole.damaged_log}
    write_private_file(loss_path(database), json.dumps(said) + "\n")
    record = CommitRecord(database, found)
    try:
        record.begin()
    finally:
        record.close()
    return whole


def loss_of(database: Path) -> Loss | None:
    """Return what a start found missing and nobody has dealt with yet."""
    try:
        said = json.loads(read_text(loss_path(database)))
        return Loss(int(said["commits"]), int(said["events"]), said["damagedLog"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Loss(1, 0)  # something was missing; the file no longer says how much


def require_regular_record(database: Path) -> None:
    """Raise OSError if what stands in the place of one of its files is a link, no regular file, or cannot be read."""
    for path in (record_path(database), loss_path(database)):
        with acting_as_owner_of(database.parent), suppress(FileNotFoundError):
            os.close(open_regular(path, os.O_RDONLY))


def remove_record(database: Path) -> None:
    """Remove what belongs to a database that another one replaces. Raises OSError."""
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
