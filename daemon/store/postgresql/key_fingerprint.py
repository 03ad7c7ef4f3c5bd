"""Which encryption key a database is used with: nodes with different keys could not read each other's secrets."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DatabaseError

from daemon.domain.printable import in_one_line
from daemon.store.engine import DatabaseAway
from daemon.store.postgresql.schema import cluster


def is_known_key(engine: Engine, fingerprints: Sequence[str]) -> bool:
    """Whether one of these is the fingerprint of the database's key; if it has none yet, the first one becomes it.

    Raises DatabaseAway.
    """
    try:
        with engine.begin() as connection:
            return check_key_fingerprint(connection, fingerprints)
    except DatabaseError as error:
        raise DatabaseAway(f"the database failed ({in_one_line(error.orig)}): try again") from None


def check_key_fingerprint(connection: Connection, fingerprints: Sequence[str]) -> bool:
    """Do the same within a transaction. Of nodes that start together, the first one decides."""
    first_use = update(cluster).where(cluster.c.key_fingerprint.is_(None)).values(key_fingerprint=fingerprints[0])
    connection.execute(first_use)
    return connection.execute(select(cluster.c.key_fingerprint)).scalar_one() in fingerprints
