"""Statements that are compiled once for all databases of the tests.

SQLAlchemy keeps what it compiled with the engine. A daemon has one database for its life; most tests have one of
their own, and would compile the same statements again.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.sqlite.database import Database

Opened = TypeVar("Opened", Database, PostgresqlDatabase)


def share_statements(database: Opened) -> Opened:
    """Make the database share its compiled statements with all others of its engine; return it."""
    shared = _shared(database.writing.dialect)
    for engine in (database.writing, database.reading):
        # The dialect is part of a statement's key in the cache: here all dialects are alike.
        engine.dialect = shared.dialect
        engine.update_execution_options(compiled_cache=shared.compiled)
    database.writer.dialect = shared.dialect
    database.writer.execution_options(compiled_cache=shared.compiled)
    return database


@dataclass(frozen=True, slots=True)
class _Shared:
    dialect: Dialect
    compiled: LRUCache[object, object] = field(default_factory=partial(LRUCache, 1_000))


def _shared(dialect: Dialect) -> _Shared:
    """Return what all databases of this kind share: the first one's dialect, which knows what its engine can do."""
    return _of_kind.setdefault(dialect.name, _Shared(dialect))


_of_kind: dict[str, _Shared] = {}
