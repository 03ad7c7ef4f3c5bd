"""What the store asks of a database engine: connections, one transaction at a time, and what its errors mean."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeGuard

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from daemon.domain.errors import StoreUnavailable
from daemon.files.disk_usage import DiskUse
from daemon.store.progress import Progress
from daemon.store.sequences import Sequences

# Connections for reading, each for one read at a time.
READERS = 4

# Carries out commands of one kind, within a transaction of the writer; returns their answers in order.
Apply = Callable[[Connection, Sequence[Any], Sequences], Sequence[Any]]


class DatabaseRefused(Exception):
    """The database cannot be used: the message says why and what to do. Nothing in it was changed."""


class DatabaseAway(DatabaseRefused):
    """It cannot be used now, but may be in a moment: its server does not answer yet, say."""


class Checkpoint(Protocol):
    """What one checkpoint has done: how many frames the log had, and whether it copied them all."""

    @property
    def frames(self) -> int:
        """How many."""

    @property
    def is_whole(self) -> bool:
        """Whether all."""


class Checkpoints(Protocol):
    """A log of what was committed, from which the database itself has to be brought up to date."""

    @property
    def due_frames(self) -> int:
        """From how many frames in the log on a checkpoint is due."""

    def holds(self, frames: int) -> bool:
        """Whether the log has at least so many frames. It may block."""

    def size(self) -> int:
        """Return the size of the log, in bytes. It may block. Raises OSError."""

    def checkpoint(self) -> Checkpoint:
        """Copy as much as possible, concurrently with reads and writes. It blocks. Raises StoreUnavailable."""

    def empty(self) -> bool:
        """Leave nothing in the log, of which all was copied; return False if a read prevents that. It blocks.

        Nothing may be committed meanwhile. Raises StoreUnavailable.
        """


class Engine(Protocol):
    """An open database of one kind (architecture "The store's engine").

    Each of its connections carries the option `daemon.store.bulk.RUN_ROWS`.
    """

    @property
    def reading(self) -> sqlalchemy.Engine:
        """READERS connections that cannot write; a transaction on one sees one snapshot."""

    @property
    def sequences(self) -> Sequences:
        """The order of what is written."""

    @property
    def progress(self) -> Progress:
        """Counts what the writer has completed."""

    @property
    def own_commands(self) -> Mapping[type, Apply]:
        """The kinds of commands that it carries out in its own way; none of them is part of an ExecuteOnce."""

    @property
    def transactions(self) -> int:
        """How many transactions have been committed so far that changed something."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Run the block in the writer's next transaction: durable when it is left, undone if it raises.

        One at a time. Raises what the database raises, and StoreUnavailable if this process may not write now.
        """

    def publish(self, commands: Sequence[Any], answers: Sequence[Any]) -> None:
        """Tell other nodes, in this transaction, what these commands changed that they keep in memory."""

    def arrange(self, batch: Sequence[Any]) -> Sequence[int] | None:
        """Return the places of a batch's commands in the order in which to run them, None for as they are.

        Those of one kind stay in their order. It may matter when several processes lock the same rows.
        """

    def is_conflict(self, error: Exception) -> bool:
        """Whether another process' transaction was in the way: the batch may be tried again."""

    def is_failure(self, error: Exception) -> TypeGuard[DatabaseError]:
        """Whether the database itself failed (full, locked, damaged, gone): the command is not the cause."""

    def unavailable(self, error: DatabaseError) -> StoreUnavailable:
        """Return the error that callers get for a failure."""

    def checkpoint_apart(self) -> Checkpoints | None:
        """Leave checkpoints to the caller from now on; before, commits made them. None: the database makes its own."""

    def is_checkpoint_due(self) -> bool:
        """Whether enough was committed that a checkpoint should run, concurrently with commits."""

    def disk_use(self) -> DiskUse:
        """Return how much of the disk it uses, and how much is free. It may block. Raises OSError."""

    def lost_commits(self) -> int:
        """Return how many acknowledged commits are missing from it. It may block."""

    def close(self) -> None:
        """Close every connection."""
