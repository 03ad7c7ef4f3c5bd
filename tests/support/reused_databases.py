"""PostgreSQL databases that tests use one after the other: emptying one takes a tenth of the time of making one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection

from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase
from tests.support.kept_open import KeptOpen, keep_open
from tests.support.postgresql import PostgresqlServer

# What was deleted stays in the way until a vacuum.
_MOST_DELETED = 5_000
_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_OTHERS_END = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid != pg_backend_pid() AND pid != ALL (%s::int[])
"""


@dataclass(slots=True)
class ReusedDatabases:
    """Copies of a template, each for one test at a time; the next one finds it as it was made.

    One whose tables are no longer the same is not used again.
    """

    server: PostgresqlServer
    template: str
    _free: list["_Copy"] = field(default_factory=list)

    @contextmanager
    def lend(self) -> Iterator["Lent"]:
        """Lend a database that is like the template."""
        copy = self._free.pop() if self._free else _make(self.server, self.template)
        yield Lent(copy.address, copy)
        if copy.restore():
            self._free.append(copy)
        else:
            copy.close()

    def close(self) -> None:
        """Close every connection to them."""
        for copy in self._free:
            copy.close()


@dataclass(slots=True)
class Lent:
    """A database that is lent."""

    address: Address
    _copy: "_Copy" = field(repr=False)
    _opened: int = 0

    def open(self) -> PostgresqlDatabase:
        """Return it, open; each time with connections of its own, which earlier tests may have used."""
        kept = self._copy.take(self._opened)
        self._opened += 1
        return kept.borrow()


@dataclass(slots=True)
class _Copy:
    """A database, its tables, and the connections that are kept to it; `restoring` is our own."""

    address: Address
    tables: tuple[str, ...]
    kept: list[KeptOpen] = field(default_factory=list)
    restoring: Connection[Any] | None = None

    def take(self, number: int) -> KeptOpen:
        """Return the open database of this number, the next one after those that there are if need be."""
        if number < len(self.kept) and not self.kept[number].is_at_rest():
            self.kept.pop(number).close()
        if number >= len(self.kept):
            self.kept.append(keep_open(self.address))
        return self.kept[number]

    def restore(self) -> bool:
        """Make it like the template again; return whether that can be."""
        self._keep_what_is_at_rest()
        try:
            return self._restore()
        except psycopg.OperationalError:  # the server was stopped meanwhile
            self.restoring = None
            return self._restore()

    def _restore(self) -> bool:
        if self.restoring is None:
            self.restoring = self.address.connect({})
        with self.restoring.transaction():
            self.restoring.execute(_OTHERS_END, [[pid for kept in self.kept for pid in kept.process_ids()]])
            if _tables_in(self.restoring) != self.tables:
                return False
            self.restoring.execute("SELECT saved.restore()")
        return True

    def _keep_what_is_at_rest(self) -> None:
        in_use = [kept for kept in self.kept if not kept.is_at_rest()]
        for kept in in_use:
            kept.close()
        self.kept = [kept for kept in self.kept if kept not in in_use]

    def close(self) -> None:
        """Close every connection."""
        for kept in self.kept:
            kept.close()
        if self.restoring is not None:
            self.restoring.close()


def _make(server: PostgresqlServer, template: str) -> _Copy:
    address = server.make_database(template)
    with address.connect({}) as connection:
        tables = _tables_in(connection)
        filled = tuple(table for table in tables if _run(connection, f"SELECT 1 FROM {table} LIMIT 1"))
        _run(connection, "CREATE SCHEMA saved")
        for table in filled:
            _run(connection, f"CREATE TABLE saved.{table} AS TABLE {table}")
        _run(connection, _restoring(tables, filled))
    return _Copy(address, tables)


def _restoring(tables: tuple[str, ...], filled: tuple[str, ...]) -> str:
    """Return the definition of a function that makes tables and sequences what they were: its statements stay prepared.

    Those of `filled` are not empty in the template: the schema `saved` has their rows.
    """
    delete = "GET DIAGNOSTICS one = ROW_COUNT; deleted := deleted + one;"
    deletes = "\n".join(f"DELETE FROM public.{table}; {delete}" for table in tables)
    inserts = "\n".join(f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE TABLE saved.{table};" for table in filled)
    return f"""
        CREATE FUNCTION saved.restore() RETURNS void LANGUAGE plpgsql AS $$
        DECLARE one bigint; deleted bigint := 0;
        BEGIN
            {deletes}
            IF deleted > {_MOST_DELETED} THEN TRUNCATE {", ".join(f"public.{table}" for table in tables)}; END IF;
            {inserts}
            PERFORM setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences;
        END $$
    """


def _tables_in(connection: Connection[Any]) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute(_TABLES).fetchall())


def _run(connection: Connection[Any], statement: str) -> int:
    return connection.execute(statement.encode()).rowcount
