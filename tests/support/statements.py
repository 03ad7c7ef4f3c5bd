"""Statements that are compiled once for all databases of the tests.

SQLAlchemy keeps what it compiled with the engine. A daemon has one database for its life; most tests have one of
their own, and would compile the same statements again.
"""

from functools import cache

from sqlalchemy import create_engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

from daemon.store.sqlite.database import Database


def share_statements(database: Database) -> Database:
    """Make the database share its compiled statements with all others; return it."""
    for engine in (database.writing, database.reading):
        # The dialect is part of a statement's key in the cache: here all dialects are alike.
        engine.dialect = _dialect()
        engine.update_execution_options(compiled_cache=_compiled())
    database.writer.dialect = _dialect()
    database.writer.execution_options(compiled_cache=_compiled())
    return database


@cache
def _dialect() -> Dialect:
    engine = create_engine("sqlite://")
    engine.connect().close()  # it learns what this SQLite can do
    engine.dispose()
    return engine.dialect


@cache
def _compiled() -> LRUCache[object, object]:
    return LRUCache(1_000)
