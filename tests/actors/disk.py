"""A disk that fills up under the database of a running daemon."""

from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.support.daemon import RunningDaemon


@dataclass(slots=True)
class Disk:
    """While `full`, every commit fails; `commits` counts them, failed or not."""

    full: bool = False
    commits: int = 0


def disk_of(daemon: RunningDaemon) -> Disk:
    """Return the disk of this daemon, which counts from now on."""
    disk = Disk()

    def commit(_connection: object) -> None:
        disk.commits += 1
        if disk.full:
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(daemon.database.writing, "commit", commit, insert=True)  # before it is carried out
    return disk
