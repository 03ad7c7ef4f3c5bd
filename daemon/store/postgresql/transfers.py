"""Databases as ends of a copy from or to another engine: which of them are taken, and for how long they are held."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import SQLAlchemyError

from daemon.domain.printable import in_one_line
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.connections import migrating_engine, reading_engine
from daemon.store.postgresql.newest import bring_to_newest, require_usable
from daemon.store.postgresql.schema import metadata as of_nodes
from daemon.store.whole_tables import TABLES

# What nodes share about themselves is no data to be copied.
_OURS = {table.name for table in TABLES} | set(of_nodes.tables) | {"alembic_version"}
# Made with the tables.
_ROW_OF_ITS_OWN = "daemon_state"

# A long copy waits for its other end, and what it commits has to be on the server's disk.
_PATIENT = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL synchronous_commit = on",
)
_LOCKED_WITHIN = "SET LOCAL lock_timeout = '3s'"
_UNLIMITED = "SET LOCAL lock_timeout = 0"
_LIVE = """
    SELECT node, name FROM nodes WHERE ended_at IS NULL
    AND EXISTS (SELECT FROM leases WHERE leases.node = nodes.node AND until > clock_timestamp()) LIMIT 1
"""


class CommitInDoubt(DatabaseRefused):
    """The server went away during COMMIT."""


@contextmanager
def receiving(address: Address, database_id: str | None) -> Iterator[Connection]:
    """Give an empty database with our tables, in a transaction that ends with the block: durable, or nothing is left.

    No daemon can start with it meanwhile. `database_id` names the database that is to be copied.

    Raises DatabaseRefused for a database that is not empty or cannot be ours, and when the server fails; and, of it,
    CommitInDoubt.
    """
    address.require_valid()
    engine = migrating_engine(_patient(address))
    is_committing = False
    try:
        with engine.begin() as connection:
            _prepare(connection, database_id, address)
            yield connection
            is_committing = True
    except (SQLAlchemyError, psycopg.Error) as error:
        raise _failure(address, error, is_committing=is_committing) from None
    finally:
        engine.dispose()


def _prepare(connection: Connection, database_id: str | None, address: Address) -> None:
    try:
        require_usable(connection)
        for statement in (*_PATIENT, _LOCKED_WITHIN):
            connection.exec_driver_sql(statement)
        bring_to_newest(connection)
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(table.name for table in TABLES)} IN EXCLUSIVE MODE")
        connection.exec_driver_sql(_UNLIMITED)
        _require_vacant(connection, database_id)
        connection.exec_driver_sql(f"DELETE FROM {_ROW_OF_ITS_OWN}")
    except DatabaseRefused as refusal:
        raise type(refusal)(f"{address}: {refusal}") from None


def _require_vacant(connection: Connection, database_id: str | None) -> None:
    names = set(inspect(connection).get_table_names())
    if foreign := sorted(names - _OURS):
        raise DatabaseRefused(f"has tables of another program ({in_one_line(foreign[0])}): choose an empty database")
    _require_no_node(connection, names)
    filled = (table.name for table in TABLES if table.name != _ROW_OF_ITS_OWN and _has_rows(connection, table.name))
    if (name := next(filled, None)) is None:
        return
    found = connection.exec_driver_sql(f"SELECT database_id FROM {_ROW_OF_ITS_OWN}").scalar()
    if found == database_id:
        raise DatabaseRefused(
            "holds a copy of this database already, perhaps of a run that was ended before it renamed the file: use "
            "it as it is (set store.url, and rename the file) unless the file was used since, or empty it and repeat"
        )
    raise DatabaseRefused(f"is not empty (table {name} has rows): choose an empty database")


def _has_rows(connection: Connection, table: str) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {table})").scalar_one())


def _require_no_node(connection: Connection, names: set[str]) -> None:
    if of_nodes.tables.keys() <= names and (live := connection.exec_driver_sql(_LIVE).first()):
        raise DatabaseRefused(f"is in use by node {live.node} ({in_one_line(live.name)}): stop every daemon first")


def require_ours(address: Address) -> None:
    """Raise DatabaseRefused unless the database has our tables, of a revision that is not checked here."""
    address.require_valid()
    engine = reading_engine(address)
    try:
        with engine.connect() as connection:
            if "alembic_version" not in inspect(connection).get_table_names():
                raise DatabaseRefused(f"{address}: is not a database of Kakiyo Webhooks: choose another one")
    except (SQLAlchemyError, psycopg.Error) as error:
        raise _failure(address, error) from None
    finally:
        engine.dispose()


@contextmanager
def giving(address: Address) -> Iterator[Connection]:
    """Give a database of the newest revision, in a transaction that sees one snapshot; no daemon can start meanwhile.

    Raises DatabaseRefused while a node uses it, and when the server fails.
    """
    holding, reading = migrating_engine(address), reading_engine(address)
    try:
        with holding.begin() as holder:
            _hold(holder)
            with reading.connect() as connection:
                try:
                    _require_no_node(connection, set(inspect(connection).get_table_names()))
                except DatabaseRefused as refusal:
                    raise DatabaseRefused(f"{address}: {refusal}") from None
                connection.exec_driver_sql(_PATIENT[0])
                connection.exec_driver_sql(_PATIENT[1])
                yield connection
    except (SQLAlchemyError, psycopg.Error) as error:
        raise _failure(address, error) from None
    finally:
        holding.dispose()
        reading.dispose()


def _hold(connection: Connection) -> None:
    for statement in _PATIENT[:2]:
        connection.exec_driver_sql(statement)
    bring_to_newest(connection)  # its lock lasts as long as the transaction: each start waits for it


def _patient(address: Address) -> Address:
    """Return the address with no limit to how long the server may take to read: it writes to its disk meanwhile."""
    if "tcp_user_timeout=" in address.url:
        return address
    return replace(address, url=f"{address.url}{'&' if '?' in address.url else '?'}tcp_user_timeout=0")


def _failure(address: Address, error: Exception, *, is_committing: bool = False) -> DatabaseRefused:
    cause = getattr(error, "orig", error)
    said = in_one_line(cause)
    if isinstance(cause, psycopg.errors.LockNotAvailable):
        return DatabaseRefused(
            f"{address}: is in use by another program or migration: end that, and repeat the command"
        )
    if is_committing:
        return CommitInDoubt(
            f"{address}: failed while it committed ({said}), and may hold the copy or not: repeat the command, which "
            "will tell"
        )
    return DatabaseRefused(f"{address}: failed ({said}), nothing was changed: correct that, and repeat the command")
