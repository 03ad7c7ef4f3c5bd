"""Whether a database can be ours, and bringing it to the newest revision."""

from sqlalchemy import Connection, inspect, select, update

from daemon.store.engine import DatabaseAway, DatabaseRefused
from daemon.store.migrate import known_revisions, migrate, readable_by
from daemon.store.postgresql.admission import keep_out, older_nodes
from daemon.store.postgresql.schema import cluster
from daemon.store.schema import HEAD_REVISION

_OLDEST_SERVER = 140_000
_LONGEST_WAIT_MS = 1_000
_ABOUT = """
    SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
        current_setting('transaction_read_only')::boolean
"""


def require_usable(connection: Connection) -> None:
    """Raise DatabaseRefused for a server or a database of a kind that we cannot use, DatabaseAway if it is read-only.

    A standby may be promoted, and a server that is being upgraded takes writes again.
    """
    version, encoding, is_read_only = connection.exec_driver_sql(_ABOUT).one()
    if version < _OLDEST_SERVER:
        raise DatabaseRefused(f"its server is PostgreSQL {version // 10_000}: upgrade it to 14 or newer")
    if encoding != "UTF8":
        raise DatabaseRefused(f"its encoding is {encoding}: make a database with ENCODING 'UTF8'")
    if is_read_only:
        raise DatabaseAway("it takes no writes: name the primary, or let target_session_attrs=read-write find it")


def bring_to_newest(connection: Connection) -> None:
    """Bring the database to the newest revision, in this transaction; an empty one gets our tables.

    One that a newer version has upgraded stays as it is, if that version said that this one may use it. While nodes of
    a version live that could not go on, nothing is upgraded. Raises DatabaseRefused, and then changes nothing.
    """
    # Nodes that start together migrate one after the other.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('kakiyo-webhooks migrations'))")
    tables = inspect(connection).get_table_names()
    if not tables:
        _upgrade(connection)
        return
    if "alembic_version" not in tables:
        raise DatabaseRefused("is another program's: choose an empty database")
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    if revision == HEAD_REVISION:
        return
    if revision not in known_revisions():
        _require_readable(connection, revision, has_nodes="cluster" in tables)
        return
    if "nodes" in tables:
        _require_no_older_nodes(connection)
    _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    # A statement that waits for a long one would keep all others waiting behind it.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LONGEST_WAIT_MS:d}")
    migrate(connection)
    # Once more: a node may have joined meanwhile.
    keep_out(connection)
    _require_no_older_nodes(connection)
    connection.execute(update(cluster).values(readable_by=readable_by()))


def _require_readable(connection: Connection, revision: str, *, has_nodes: bool) -> None:
    oldest = connection.execute(select(cluster.c.readable_by)).scalar_one() if has_nodes else revision
    if oldest not in known_revisions():
        raise DatabaseRefused(f"was made by a newer version (revision {revision}): install that version")


def _require_no_older_nodes(connection: Connection) -> None:
    if older := older_nodes(connection, readable_by()):
        raise DatabaseRefused(
            f"has to be upgraded in a way that nodes of another version cannot work with: stop {', '.join(older)} first"
        )
