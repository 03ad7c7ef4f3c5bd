"""Writes: submissions are kept only if they were matched with the newest subscriptions (architecture "Nodes")."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from daemon.domain.errors import MatchedTooEarly
from daemon.store.commands import Accepted, AcceptEvents
from daemon.store.postgresql import pipeline
from daemon.store.postgresql.binary import integer
from daemon.store.postgresql.exchange import Statement
from daemon.store.sequences import Sequences
from daemon.store.writes import events

# See `daemon.store.postgresql.sequences`. That what is asked for comes from a table keeps one plan good for all.
_LOOK = Statement(
    """
    WITH this AS MATERIALIZED (SELECT pg_current_xact_id() AS id, $1::int AS events, $2::int AS deliveries)
    SELECT (SELECT version FROM cluster),
        ARRAY(SELECT nextval('event_order') FROM generate_series(1, this.events) WHERE this.id IS NOT NULL),
        ARRAY(SELECT nextval('delivery_order') FROM generate_series(1, this.deliveries) WHERE this.id IS NOT NULL)
    FROM this
    """
)


def accept_events(
    connection: Connection, commands: Sequence[AcceptEvents], _sequences: Sequences
) -> Sequence[Accepted | Exception]:
    """Keep the submissions, or none of them if one was matched too early: then all are to be matched again.

    The version is read first, without a lock. What changes it later was not committed when these were submitted.
    """
    version, numbers = _look(connection, commands)
    if all(command.version in (None, version) for command in commands):
        return events.accept_events(connection, commands, numbers)
    return [MatchedTooEarly("another node has changed subscriptions") for _ in commands]


@dataclass(frozen=True, slots=True)
class _Taken:
    """The `daemon.store.sequences.Sequences` of commands whose numbers were taken already."""

    events: Sequence[int]
    deliveries: Sequence[int]

    def take_events(self, _connection: Connection, at_most: int) -> Iterator[int]:
        """Return the events' numbers."""
        return iter(self.events)

    def take_deliveries(self, _connection: Connection, at_most: int) -> Iterator[int]:
        """Return the deliveries' numbers."""
        return iter(self.deliveries)


def _look(connection: Connection, commands: Sequence[AcceptEvents]) -> tuple[int, _Taken]:
    """Return the version of the subscriptions, and the numbers of what is to be kept."""
    matched = [one for command in commands for one in command.events]
    asked = integer(len(matched)), integer(sum(len(one.deliveries) for one in matched))
    _, [row] = pipeline.fetch(connection, _LOOK, asked)
    version, event_numbers, delivery_numbers = row
    return int(version), _Taken(event_numbers, delivery_numbers)
