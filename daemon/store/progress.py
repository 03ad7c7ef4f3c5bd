"""Whether the writer gets on: what tells a long statement from one that hangs."""

from typing import Any

# In steps of SQLite's machine: some milliseconds of work, so that the call does not count.
_EVERY_STEPS = 200_000


class Progress:
    """Counts what the writer's connection gets done: commands, and pieces of long statements.

    A statement that waits for a lock, for the disk or for ever counts nothing.
    """

    def __init__(self) -> None:
        self.done = 0

    def note(self) -> None:
        """Count something that was done."""
        self.done += 1

    def watch(self, connection: Any) -> None:
        """Count, from now on, what statements of this sqlite3 connection get done."""
        connection.set_progress_handler(self._proceed, _EVERY_STEPS)

    def _proceed(self) -> int:
        self.note()
        return 0  # anything else would interrupt the statement
