"""Whether the writer makes progress: tells a long statement from one that hangs."""


class Progress:
    """Counts what the writer's connection has completed: commands, and pieces of long statements.

    A statement that waits for a lock, for the disk or for ever counts nothing.
    """

    def __init__(self) -> None:
        self.done = 0

    def note(self) -> None:
        """Count something that was done."""
        self.done += 1
