"""PostgreSQL databases that tests use one after the other: emptying one takes a tenth of the time of making one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from daemon.store.postgresql.address import Address
from tests.support.postgresql import PostgresqlServer

# What was deleted stays in the way until a vacuum.
_MOST_DELETED = 5_000
_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_OTHERS_END = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid != pg_backend_pid()
"""
_FIRST_NUMBERS = "SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences"


@dataclass(slots=True)
class ReusedDatabases:
    """Copies of a template, each for one test at a time; the next one finds it as it was made.

    One whose tables are no longer the same is not used again.
    """

    server: PostgresqlServer
    template: str
    _free: list["_Copy"] = field(default_factory=list)

    @contextmanager
    def lend(self) -> Iterator[Address]:
        """Lend a database that is like the template."""
        copy = self._free.pop() if self._free else _make(self.server, self.template)
        yield copy.address
        if copy.restore():
            self._free.append(copy)


@dataclass(frozen=True, slots=True)
class _Copy:
    """A database, its tables, and those of them that are not empty in the template: `saved` has their rows."""

    address: Address
    tables: tuple[str, ...]
    filled: tuple[str, ...]

    def restore(self) -> bool:
        """Make it like the template again; return whether that can be."""
        with self.address.connect({}) as connection:
            connection.execute(_OTHERS_END)
            if _tables_in(connection) != self.tables:
                return False
            if sum(_run(connection, f"DELETE FROM {table}") for table in self.tables) > _MOST_DELETED:
                _run(connection, f"TRUNCATE {', '.join(self.tables)}")
            for table in self.filled:
                _run(connection, f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE saved.{table}")
            connection.execute(_FIRST_NUMBERS)
        return True


def _make(server: PostgresqlServer, template: str) -> _Copy:
    address = server.make_database(template)
    with address.connect({}) as connection:
        tables = _tables_in(connection)
        filled = tuple(table for table in tables if _run(connection, f"SELECT 1 FROM {table} LIMIT 1"))
        connection.execute("CREATE SCHEMA saved")
        for table in filled:
            _run(connection, f"CREATE TABLE saved.{table} AS TABLE {table}")
    return _Copy(address, tables, filled)


def _tables_in(connection: Connection[Any]) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute(_TABLES).fetchall())


def _run(connection: Connection[Any], statement: str) -> int:
    return connection.execute(statement.encode()).rowcount
