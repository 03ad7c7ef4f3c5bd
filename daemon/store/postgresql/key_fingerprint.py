"""Which encryption key a database is used with: nodes with different keys could not read each other's secrets."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DatabaseError

from daemon.domain.printable import in_one_line
from daemon.store.engine import DatabaseAway
from daemon.store.postgresql.schema import cluster


def key_in_use(engine: Engine, fingerprints: Sequence[str]) -> str:
    """Return the fingerprint of the key that seals; if there is none yet, the first of these becomes it.

    Raises DatabaseAway.
    """
    try:
        with engine.begin() as connection:
            return _first_or_known(connection, fingerprints)
    except DatabaseError as error:
        raise DatabaseAway(f"the database failed ({in_one_line(error.orig)}): try again") from None


def read_key_in_use(connection: Connection) -> str | None:
    """Return it, None while there is none."""
    found: str | None = connection.execute(select(cluster.c.key_fingerprint)).scalar_one()
    return found


def _first_or_known(connection: Connection, fingerprints: Sequence[str]) -> str:
    """Of nodes that start together, the first one decides."""
    first_use = update(cluster).where(cluster.c.key_fingerprint.is_(None)).values(key_fingerprint=fingerprints[0])
    connection.execute(first_use)
    known: str = connection.execute(select(cluster.c.key_fingerprint)).scalar_one()
    return known
