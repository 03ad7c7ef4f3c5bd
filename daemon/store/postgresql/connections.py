"""Connections to the server: one that writes, a few that only read, each with its settings."""

import select
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, pool
from sqlalchemy.exc import DisconnectionError

from daemon.store.bulk import LOCK_NAMES, RUN_ROWS, SEND_ROWS
from daemon.store.engine import READERS
from daemon.store.postgresql import pipeline
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.bulk import lock_names, run_rows, send_rows

# Each statement is short: JIT compilation costs a hundred times what it saves.
_ALWAYS = {"jit": "off", "timezone": "UTC"}
# A plan that is made while a table is small is kept when it no longer is: it must not read the table from end to end.
_READING = _ALWAYS | {"enable_seqscan": "off"}
# What is written is looked up row by row. A client that is frozen in the middle of a transaction must not keep others
# from what it has locked.
_WRITING = _READING | {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "idle_in_transaction_session_timeout": "2s",
}
# About leases: to wait longer than one lasts would be of no use, and what is lost in a crash is only a renewal.
_COORDINATING = _WRITING | {"statement_timeout": "2s", "lock_timeout": "2s", "synchronous_commit": "off"}
_COORDINATORS, _WAIT_FOR_ONE_S = 3, 2


def writing_engine(address: Address) -> Engine:
    """Return what writes the database. It keeps no connection: the writer's is open for good, others are rare."""
    engine = _engine(address, _WRITING, poolclass=pool.NullPool, execution_options={SEND_ROWS: send_rows})
    event.listen(engine, "before_cursor_execute", lambda connection, *_: pipeline.flush(connection))
    event.listen(engine, "commit", pipeline.commit)
    event.listen(engine, "rollback", pipeline.roll_back)
    return engine


def migrating_engine(address: Address) -> Engine:
    """Return what brings the database to the newest revision, which takes as long as it takes."""
    return _engine(address, _ALWAYS, poolclass=pool.NullPool)


def reading_engine(address: Address) -> Engine:
    """Return what reads the database, over a few connections, and cannot write it."""
    engine = _engine(
        address,
        _READING,
        prepare=_prepare_reader,
        poolclass=pool.QueuePool,
        pool_size=READERS,
        max_overflow=0,
        pool_use_lifo=True,
    )
    event.listen(engine, "checkout", _require_quiet)
    return engine


def coordinating_engine(address: Address) -> Engine:
    """Return what membership, feed and notices use beside the writer: a few connections that never wait for long."""
    engine = _engine(
        address,
        _COORDINATING,
        poolclass=pool.QueuePool,
        pool_size=_COORDINATORS,
        max_overflow=0,
        pool_timeout=_WAIT_FOR_ONE_S,
    )
    event.listen(engine, "checkout", _require_quiet)
    return engine


def renew_if_lost(connection: Connection) -> None:
    """Have a connection that the server has closed made anew at its next use. Costs no round trip."""
    if not connection.invalidated and not _is_quiet(connection.connection.driver_connection):
        connection.invalidate()


def _engine(
    address: Address,
    settings: Mapping[str, str],
    prepare: Callable[[psycopg.Connection[Any]], object] = lambda _: None,
    execution_options: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> Engine:
    """Return an engine whose connections have these settings of the server: in each session, or, where a pooler gives
    each transaction another session and takes no settings, in each transaction.
    """

    def connect() -> psycopg.Connection[Any]:
        connection = address.connect({} if address.is_pooled else settings)
        prepare(connection)
        return connection

    known = {RUN_ROWS: run_rows, LOCK_NAMES: lock_names, **execution_options}
    engine = create_engine("postgresql+psycopg://", creator=connect, execution_options=known, **options)
    if address.is_pooled:
        local = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(local))
    return engine


def _prepare_reader(connection: psycopg.Connection[Any]) -> None:
    # Said at each BEGIN, and no settings of the session: a transaction sees one snapshot, also through a pooler.
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True


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
