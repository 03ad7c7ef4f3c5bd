"""Statements for many rows, and queries for many rows in one, in PostgreSQL's words.

Each statement takes one array for a column, however many rows there are: so there is one text for all sizes, which the
server prepares once.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Dialect, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.ext.compiler import compiles

from daemon.store.bulk import AddRows, HasBytes, InsertRows, JsonRows, Row, RowStatement, TextOf, UpdateRows
from daemon.store.postgresql import pipeline

_POSTGRESQL: Dialect = dialect()  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
_GIVEN_TABLE = re.compile(r"\bFROM given\b")
# A boolean comes as 0 or 1.
_ARRAYS = {Boolean: "int", Integer: "int", BigInteger: "bigint", LargeBinary: "bytea", Text: "text"}


def run_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> tuple[int, list[Row]]:
    """Run a statement for these rows; return how many rows it changed, and those that it returned."""
    if not rows:
        return 0, []
    return pipeline.fetch(connection, *_prepared(connection, statement, rows))


def send_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> None:
    """Run a statement for these rows with the next one whose result is needed, or at the end of the transaction."""
    if rows:
        pipeline.send(connection, *_prepared(connection, statement, rows))


def _prepared(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """Return the text of the statement and its values; what it needs locked is locked first."""
    columns = list(map(list, zip(*rows, strict=True)))
    if isinstance(statement, UpdateRows) and statement.shared is not None:
        pipeline.send(connection, _lock(statement.shared), columns[:1])
    return _text_of_statement(statement), columns


@cache
def _text_of_statement(statement: RowStatement) -> str:
    match statement:
        case UpdateRows():
            return _update(statement)
        case AddRows():
            columns = list(statement.table.c)
            return f"{_insert(statement.table.name, columns)} ON CONFLICT {_adding(statement)}"
        case InsertRows():
            columns = [statement.table.c[name] for name in statement.columns]
            text = _insert(statement.table.name, columns)
            return f"{text} ON CONFLICT DO NOTHING" if statement.skip_existing else text


def _insert(table: str, columns: Sequence[Column[Any]]) -> str:
    names = ", ".join(column.name for column in columns)
    values = ", ".join(_value(column) for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {_given(columns)}"


def _given(columns: Iterable[Any]) -> str:
    columns = list(columns)
    arrays = ", ".join(f"%s::{_ARRAYS[type(column.type)]}[]" for column in columns)
    return f"unnest({arrays}) AS given({', '.join(column.name for column in columns)})"


def _value(column: Column[Any]) -> str:
    return f"given.{column.name}::boolean" if isinstance(column.type, Boolean) else f"given.{column.name}"


def _adding(statement: AddRows) -> str:
    name, key = statement.table.name, [column.name for column in statement.table.primary_key]
    added = [column.name for column in statement.table.c if not column.primary_key]
    sums = ", ".join(f"{column} = {name}.{column} + excluded.{column}" for column in added)
    return f"({', '.join(key)}) DO UPDATE SET {sums}"


def _update(statement: UpdateRows) -> str:
    text = str(statement.update.compile(dialect=_POSTGRESQL, compile_kwargs={"literal_binds": True}))
    return _GIVEN_TABLE.sub(f"FROM {_given(statement.given.c)}", text.replace("%", "%%"), count=1)


@cache
def _lock(key: Column[Any]) -> str:
    table, name, array = key.table.name, key.name, f"%s::{_ARRAYS[type(key.type)]}[]"
    return f"SELECT 1 FROM {table} WHERE {name} = ANY({array}) ORDER BY {name} FOR UPDATE"


def lock_names(connection: Connection, names: Sequence[str]) -> None:
    """Lock these names, in this order, until the transaction ends: they need not be in any table."""
    connection.execute(_LOCK_NAMES, {"names": list(names)})


_LOCK_NAMES = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0))"
    " FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS given(name, place) ORDER BY place"
)


@compiles(JsonRows, "postgresql")
def _json_rows(element: JsonRows, compiler: Any, **options: Any) -> str:
    return f"coalesce(json_agg(json_build_array({compiler.process(element.clauses, **options)})), '[]')::text"


@compiles(TextOf, "postgresql")
def _text_of(element: TextOf, compiler: Any, **options: Any) -> str:
    return f"convert_from({compiler.process(element.clauses, **options)}, 'UTF8')"


@compiles(HasBytes, "postgresql")
def _has_bytes(element: HasBytes, compiler: Any, **options: Any) -> str:
    column, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"position({needle} IN {column})"
