"""The order of acceptance: assigns the `seq` of events and deliveries, in the order of their commits."""

from itertools import count

from sqlalchemy import Connection, Table, func, select

from daemon.store.schema import deliveries, events


class Sequences:
    """The next free `seq` of each table. Only the writer's thread may use it: order is the writer's order.

    Numbers taken by a transaction that was rolled back stay unused.
    """

    def __init__(self, connection: Connection) -> None:
        self.last_event = _highest(connection, events)
        self._deliveries = count(_highest(connection, deliveries) + 1)

    def next_event(self) -> int:
        """Return the next event's seq."""
        self.last_event += 1
        return self.last_event

    def next_delivery(self) -> int:
        """Return the next delivery's seq."""
        return next(self._deliveries)


def _highest(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.coalesce(func.max(table.c.seq), 0))).scalar_one())
