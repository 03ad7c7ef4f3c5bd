"""Connections to the server: one that writes, a few that only read, each with its settings."""

import select
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, pool
from sqlalchemy.exc import DisconnectionError

from daemon.store.bulk import RUN_ROWS
from daemon.store.engine import READERS
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.bulk import run_rows

# Each statement is short: JIT compilation costs a hundred times what it saves.
_ALWAYS = {"jit": "off", "timezone": "UTC"}


def writing_engine(address: Address) -> Engine:
    """Return what writes the database. It keeps no connection: the writer's is open for good, others are rare."""
    return _engine(partial(address.connect, _ALWAYS), poolclass=pool.NullPool)


def reading_engine(address: Address) -> Engine:
    """Return what reads the database, over a few connections, and cannot write it."""
    engine = _engine(
        partial(_connect_reader, address),
        poolclass=pool.QueuePool,
        pool_size=READERS,
        max_overflow=0,
        pool_use_lifo=True,
    )
    event.listen(engine, "checkout", _require_quiet)
    return engine


def renew_if_lost(connection: Connection) -> None:
    """Have a connection that the server has closed made anew at its next use. Costs no round trip."""
    if not connection.invalidated and not _is_quiet(connection.connection.driver_connection):
        connection.invalidate()


def _engine(connect: partial[psycopg.Connection[Any]], **options: Any) -> Engine:
    return create_engine("postgresql+psycopg://", creator=connect, execution_options={RUN_ROWS: run_rows}, **options)


def _connect_reader(address: Address) -> psycopg.Connection[Any]:
    connection = address.connect(_ALWAYS)
    # Said at each BEGIN, and no settings of the session: a transaction sees one snapshot, also through a pooler.
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _require_quiet(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    if not _is_quiet(connection):
        raise DisconnectionError("the server has closed this connection")


def _is_quiet(connection: Any) -> bool:
    """Whether an idle connection is as it was left: a server says something of its own only when it closes one."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
