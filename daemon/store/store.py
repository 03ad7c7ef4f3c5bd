"""The store, as actors are given it."""

from dataclasses import dataclass

from daemon.store.reads.reader import Reader
from daemon.store.writes.writer import Writer


@dataclass(frozen=True, slots=True)
class Store:
    """What reads and what writes. Only the writer changes anything, and its answers come after COMMIT."""

    reader: Reader
    writer: Writer
