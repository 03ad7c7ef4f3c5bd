"""Whether a database can be ours, and bringing it to the newest revision."""

from sqlalchemy import Connection, inspect

from daemon.store.engine import DatabaseAway, DatabaseRefused
from daemon.store.migrate import known_revisions, migrate
from daemon.store.schema import HEAD_REVISION

_OLDEST_SERVER = 140_000
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

    Raises DatabaseRefused, and then changes nothing.
    """
    # Nodes that start together migrate one after the other.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('kakiyo-webhooks migrations'))")
    tables = inspect(connection).get_table_names()
    if not tables:
        migrate(connection)
        return
    if "alembic_version" not in tables:
        raise DatabaseRefused("is another program's: choose an empty database")
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    if revision == HEAD_REVISION:
        return
    if revision not in known_revisions():
        raise DatabaseRefused(f"was made by a newer version (revision {revision}): install that version")
    migrate(connection)
