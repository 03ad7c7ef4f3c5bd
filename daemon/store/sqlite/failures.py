"""What SQLite says of a failure, as it may be shown."""

from daemon.domain.printable import printable


def in_one_line(said: object) -> str:
    """Return what SQLite says of a file, which may quote it, as one line that moves no cursor."""
    return printable(" ".join(str(said).split()))
