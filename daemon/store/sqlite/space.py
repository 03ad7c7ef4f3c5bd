"""Free pages are given back to the file system: SQLite keeps what was deleted for new rows."""

from collections.abc import Sequence

from sqlalchemy import Connection

from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import ReleaseSpace


def release_space(connection: Connection, commands: Sequence[ReleaseSpace], _sequences: Sequences) -> list[bool]:
    """Cut free pages off the file's end while more of it is free than the command leaves."""
    return [_release(connection, command) for command in commands]


def _release(connection: Connection, command: ReleaseSpace) -> bool:
    cursor = connection.connection.cursor()
    [free] = cursor.execute("PRAGMA freelist_count").fetchone()
    [pages] = cursor.execute("PRAGMA page_count").fetchone()
    if free <= max(command.leave_pages, pages // command.leave_part):
        return False
    for _ in range(command.limit):
        cursor.execute("PRAGMA incremental_vacuum(1)")  # one: Python's driver takes a single step of it
    [left] = cursor.execute("PRAGMA freelist_count").fetchone()
    return bool(left < free)
