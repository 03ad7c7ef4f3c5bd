"""Connections to the server: one that writes, a few that only read, each with its settings."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Engine, create_engine, pool

from daemon.store.bulk import RUN_ROWS
from daemon.store.engine import READERS
from daemon.store.postgresql.bulk import run_rows

# Each statement is short: JIT compilation costs a hundred times what it saves.
_ALWAYS = {"jit": "off", "timezone": "UTC"}
# One snapshot a transaction.
_READING = {"default_transaction_isolation": r"repeatable\ read", "default_transaction_read_only": "on"}


def writing_engine(url: URL) -> Engine:
    """Return what writes the database. It keeps no connection: the writer's is open for good, others are rare."""
    return _engine(url, _ALWAYS, poolclass=pool.NullPool)


def reading_engine(url: URL) -> Engine:
    """Return what reads the database, over a few connections, and cannot write it."""
    return _engine(
        url, _ALWAYS | _READING, poolclass=pool.QueuePool, pool_size=READERS, max_overflow=0, pool_use_lifo=True
    )


def _engine(url: URL, settings: Mapping[str, str], poolclass: type[pool.Pool], **options: Any) -> Engine:
    given = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return create_engine(
        url,
        poolclass=poolclass,
        connect_args={"options": given, "application_name": "kakiyo-webhooks"},
        execution_options={RUN_ROWS: run_rows},
        **options,
    )
