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

# What carries out commands of one kind, within a transaction of the writer; answers each in turn.
Apply = Callable[[Connection, Sequence[Any], Sequences], Sequence[Any]]


class DatabaseRefused(Exception):
    """The database cannot be used: the message says why and what to do. Nothing in it was changed."""


class Engine(Protocol):
    """An open database of one kind (architecture "The store's engine").

    Each of its connections carries the option `daemon.store.bulk.RUN_ROWS`.
    """

    @property
    def reading(self) -> sqlalchemy.Engine:
        """READERS connections that cannot write; a transaction of one sees one moment."""

    @property
    def sequences(self) -> Sequences:
        """The order of what is written."""

    @property
    def progress(self) -> Progress:
        """Where what the writer gets done is counted."""

    @property
    def own_commands(self) -> Mapping[type, Apply]:
        """The kinds of commands that it carries out in its own way; none of them is part of an ExecuteOnce."""

    @property
    def transactions(self) -> int:
        """How many transactions have been committed so far that changed something."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Run the block in the writer's next transaction: durable when it is left, undone if it raises.

        One at a time. Raises what the database raises.
        """

    def is_failure(self, error: Exception) -> TypeGuard[DatabaseError]:
        """Whether the database itself failed (full, locked, damaged, away): no mistake of the command is the cause."""

    def unavailable(self, error: DatabaseError) -> StoreUnavailable:
        """Return what callers are told of a failure."""

    def is_checkpoint_due(self) -> bool:
        """Whether so much was committed that it is to be put in its place, beside the commits."""

    def disk_use(self) -> DiskUse:
        """Return what it takes of the disk, and what is left. It may block. Raises OSError."""

    def lost_commits(self) -> int:
        """Return how many acknowledged commits are missing from it. It may block."""

    def close(self) -> None:
        """Close every connection."""
