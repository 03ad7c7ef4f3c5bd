"""Writes: submissions are kept only if they were matched with the newest subscriptions (architecture "Nodes")."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from daemon.domain.errors import MatchedTooEarly
from daemon.store.commands import Accepted, AcceptEvents
from daemon.store.postgresql.schema import cluster
from daemon.store.sequences import Sequences
from daemon.store.writes import events

_VERSION = select(cluster.c.version)


def accept_events(
    connection: Connection, commands: Sequence[AcceptEvents], sequences: Sequences
) -> Sequence[Accepted | Exception]:
    """Keep the submissions, or none of them if one was matched too early: then all are to be matched again.

    The version is read first, without a lock. What changes it later was not committed when these were submitted.
    """
    if _are_current(connection, commands):
        return events.accept_events(connection, commands, sequences)
    return [MatchedTooEarly("another node has changed subscriptions") for _ in commands]


def _are_current(connection: Connection, commands: Sequence[AcceptEvents]) -> bool:
    versions: set[Any] = {command.version for command in commands if command.version is not None}
    return not versions or versions == {connection.execute(_VERSION).scalar_one()}
