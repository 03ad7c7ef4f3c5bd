"""Giving free pages back to the file system: SQLite keeps the space of deleted rows for new ones."""

from collections.abc import Sequence

from sqlalchemy import Connection

from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import ReleaseSpace


def release_space(connection: Connection, commands: Sequence[ReleaseSpace], _sequences: Sequences) -> list[bool]:
    """Truncate free pages at the end of the file, while more pages are free than the command wants to keep."""
    return [_release(connection, command) for command in commands]


def _release(connection: Connection, command: ReleaseSpace) -> bool:
    cursor = connection.connection.cursor()
    [free] = cursor.execute("PRAGMA freelist_count").fetchone()
    [pages] = cursor.execute("PRAGMA page_count").fetchone()
    if free <= max(command.leave_pages, pages // command.leave_part):
        return False
    for _ in range(command.limit):
        cursor.execute("PRAGMA incremental_vacuum(1)")  # one at a time: Python's driver runs a single step
    [left] = cursor.execute("PRAGMA freelist_count").fetchone()
    return bool(left < free)
