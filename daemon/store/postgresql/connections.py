"""Connections to the server: one that writes, a few that only read, each with its settings."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Engine, create_engine, pool

from daemon.store.bulk import LOCK_NAMES, RUN_ROWS
from daemon.store.engine import READERS
from daemon.store.postgresql.bulk import lock_names, run_rows

# Each statement is short: JIT compilation costs a hundred times what it saves.
_ALWAYS = {"jit": "off", "timezone": "UTC"}
# One snapshot a transaction.
_READING = {"default_transaction_isolation": r"repeatable\ read", "default_transaction_read_only": "on"}

# A client that is frozen in the middle of a transaction must not keep others from what it has locked.
_WRITING = {"idle_in_transaction_session_timeout": "2s"}
# About leases: to wait longer than one lasts would be of no use, and what is lost in a crash is only a renewal.
_COORDINATING = {"statement_timeout": "2s", "lock_timeout": "2s", "synchronous_commit": "off"} | _WRITING
_COORDINATORS = 3


def writing_engine(url: URL) -> Engine:
    """Return what writes the database. It keeps no connection: the writer's is open for good, others are rare."""
    return _engine(url, _ALWAYS | _WRITING, poolclass=pool.NullPool)


def reading_engine(url: URL) -> Engine:
    """Return what reads the database, over a few connections, and cannot write it."""
    return _engine(
        url, _ALWAYS | _READING, poolclass=pool.QueuePool, pool_size=READERS, max_overflow=0, pool_use_lifo=True
    )


def coordinating_engine(url: URL) -> Engine:
    """Return what membership, feed and notices use beside the writer: a few connections that never wait for long."""
    return _engine(
        url, _ALWAYS | _COORDINATING, poolclass=pool.QueuePool, pool_size=_COORDINATORS, max_overflow=0, pool_timeout=2
    )


def _engine(url: URL, settings: Mapping[str, str], poolclass: type[pool.Pool], **options: Any) -> Engine:
    given = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return create_engine(
        url,
        poolclass=poolclass,
        connect_args={"options": given, "application_name": "kakiyo-webhooks"},
        execution_options={RUN_ROWS: run_rows, LOCK_NAMES: lock_names},
        **options,
    )
