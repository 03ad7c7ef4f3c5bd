"""The order of acceptance: assigns the `seq` of events and deliveries (architecture "The store")."""

from collections.abc import Iterator
from itertools import count
from typing import Protocol

from sqlalchemy import Connection, Table, func, select

from daemon.store.schema import deliveries, events


class Sequences(Protocol):
    """The next free `seq` of each table, for use within the transaction of `connection`.

    A transaction that begins after another one was committed gets higher numbers than that one. Numbers taken by a
    transaction that was rolled back, or not used, stay unused.
    """

    def take_events(self, connection: Connection, at_most: int) -> Iterator[int]:
        """Return numbers for up to so many events, ascending."""

    def take_deliveries(self, connection: Connection, at_most: int) -> Iterator[int]:
        """Return numbers for up to so many deliveries, ascending."""


class CountedSequences:
    """Sequences that one writer alone uses: it counts on from what is there at its start. Only for its thread."""

    def __init__(self, connection: Connection) -> None:
        self.last_event = _highest(connection, events)
        self._events = self._count_events()
        self._deliveries = count(_highest(connection, deliveries) + 1)

    def take_events(self, _connection: Connection, at_most: int) -> Iterator[int]:
        """Return the next events' numbers."""
        return self._events

    def take_deliveries(self, _connection: Connection, at_most: int) -> Iterator[int]:
        """Return the next deliveries' numbers."""
        return self._deliveries

    def _count_events(self) -> Iterator[int]:
        while True:
            self.last_event += 1
            yield self.last_event


def _highest(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.coalesce(func.max(table.c.seq), 0))).scalar_one())
