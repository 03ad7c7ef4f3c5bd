"""How much room the database takes, and how much is left."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DiskUse:
    """In bytes; `free` is what this user may still write, `size` that of the whole file system.

    Of a database that is no file here only its own size is known.
    """

    database: int
    wal: int | None = None
    free: int | None = None
    size: int | None = None


def disk_use(database: Path) -> DiskUse:
    """Return it, for the database at this path. Raises OSError. It may block: call it in a thread."""
    system = os.statvfs(database.parent)
    wal = database.with_name(database.name + "-wal")
    return DiskUse(
        database=database.stat().st_size,
        wal=wal.stat().st_size if wal.exists() else 0,  # there is none before the first commit
        free=system.f_bavail * system.f_frsize,
        size=system.f_blocks * system.f_frsize,
    )
