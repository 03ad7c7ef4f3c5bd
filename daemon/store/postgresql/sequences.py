"""The order of acceptance, given by the server: for all nodes together."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

# The sequences have CACHE 1: a session that kept numbers back would give low ones to what is accepted later. The
# transaction gets its id before its first number: so who knows that it has ended knows that no lower number will come
# (`daemon.store.postgresql.sweep`).
_TAKE = (
    "WITH this AS MATERIALIZED (SELECT pg_current_xact_id() AS id)"
    " SELECT nextval('{}') FROM this, generate_series(1, :at_most) WHERE this.id IS NOT NULL"
)
_TAKE_EVENTS, _TAKE_DELIVERIES = text(_TAKE.format("event_order")), text(_TAKE.format("delivery_order"))


class SharedSequences:
    """Sequences of the database. If one transaction was committed before another began, its numbers are lower."""

    def take_events(self, connection: Connection, at_most: int) -> Iterator[int]:
        """Return the next events' numbers."""
        return iter(connection.execute(_TAKE_EVENTS, {"at_most": at_most}).scalars().all()) if at_most else iter(())

    def take_deliveries(self, connection: Connection, at_most: int) -> Iterator[int]:
        """Return the next deliveries' numbers."""
        return iter(connection.execute(_TAKE_DELIVERIES, {"at_most": at_most}).scalars().all()) if at_most else iter(())
