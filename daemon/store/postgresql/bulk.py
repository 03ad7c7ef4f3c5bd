"""Statements for many rows, and queries for many rows in one, in PostgreSQL's words.

Each statement takes one array for a column, however many rows there are: so there is one text for all sizes, which the
server prepares once. It plans it once, too, since it does not see the first array's length when it plans: it would
find a plan for the few rows that there are cheaper than the one for all, and make a new one each time, which takes
longer than to carry it out.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Boolean, Column, Connection, Dialect, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

from daemon.store.bulk import AddRows, HasBytes, InsertRows, JsonRows, Row, RowStatement, TextOf, UpdateRows
from daemon.store.postgresql import binary, pipeline
from daemon.store.postgresql.exchange import Statement

_POSTGRESQL: Dialect = dialect()  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
_GIVEN_TABLE = re.compile(r"\bFROM given\b")
_ARRAYS: Mapping[type, tuple[str, binary.Encode]] = {
    Boolean: ("boolean", binary.booleans),
    Integer: ("integer", binary.integers),
    BigInteger: ("bigint", binary.bigints),
    LargeBinary: ("bytea", binary.byte_strings),
    Text: ("text", binary.texts),
}


def run_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> tuple[int, list[Row]]:
    """Run a statement for these rows; return how many rows it changed, and those that it returned."""
    if not rows:
        return 0, []
    return pipeline.fetch(connection, *_prepared(connection, statement, rows))


def send_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> None:
    """Run a statement for these rows with the next one whose result is needed, or at the end of the transaction."""
    if rows:
        pipeline.send(connection, *_prepared(connection, statement, rows))


def _prepared(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> tuple[Statement, list[bytes]]:
    """Return the statement in PostgreSQL's words and its values; what it needs locked is locked first."""
    columns = zip(_encoders(statement), zip(*rows, strict=True), strict=True)
    try:
        values = [encode(column) for encode, column in columns]
    except psycopg.DataError as error:
        words = _statement(statement).text
        raise DBAPIError.instance(words, None, error, psycopg.Error, dialect=connection.dialect) from error
    if isinstance(statement, UpdateRows) and statement.shared is not None:
        pipeline.send(connection, _lock(statement.shared), values[:1])
    return _statement(statement), values


@cache
def _encoders(statement: RowStatement) -> Sequence[binary.Encode]:
    return [_ARRAYS[type(column.type)][1] for column in _columns(statement)]


@cache
def _statement(statement: RowStatement) -> Statement:
    columns = _columns(statement)
    match statement:
        case UpdateRows():
            return Statement(_update(statement))
        case AddRows():
            return Statement(f"{_insert(statement.table.name, columns)} ON CONFLICT {_adding(statement)}")
        case InsertRows():
            text = _insert(statement.table.name, columns)
            return Statement(f"{text} ON CONFLICT DO NOTHING" if statement.skip_existing else text)


def _columns(statement: RowStatement) -> Sequence[Any]:
    """Return the columns of the rows that are given."""
    match statement:
        case UpdateRows():
            return list(statement.given.c)
        case AddRows():
            return list(statement.table.c)
        case InsertRows():
            return [statement.table.c[name] for name in statement.columns]


def _insert(table: str, columns: Sequence[Column[Any]]) -> str:
    names = ", ".join(column.name for column in columns)
    values = ", ".join(f"given.{column.name}" for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {_given(columns)}"


def _given(columns: Sequence[Any]) -> str:
    first, *others = [_array(place, column) for place, column in enumerate(columns, 1)]
    arrays = ", ".join((f"(SELECT {first})", *others))
    return f"unnest({arrays}) AS given({', '.join(column.name for column in columns)})"


def _array(place: int, column: Column[Any]) -> str:
    return f"${place}::{_type_of(column)}[]"


def _type_of(column: Column[Any]) -> str:
    return _ARRAYS[type(column.type)][0]


def _adding(statement: AddRows) -> str:
    name, key = statement.table.name, [column.name for column in statement.table.primary_key]
    added = [column.name for column in statement.table.c if not column.primary_key]
    sums = ", ".join(f"{column} = {name}.{column} + excluded.{column}" for column in added)
    return f"({', '.join(key)}) DO UPDATE SET {sums}"


def _update(statement: UpdateRows) -> str:
    text = str(statement.update.compile(dialect=_POSTGRESQL, compile_kwargs={"literal_binds": True}))
    return _GIVEN_TABLE.sub(lambda _: f"FROM {_given(_columns(statement))}", text, count=1)


@cache
def _lock(key: Column[Any]) -> Statement:
    table, name = key.table.name, key.name
    array = f"CAST((SELECT {_array(1, key)}) AS {_type_of(key)}[])"
    return Statement(f"SELECT 1 FROM {table} WHERE {name} = ANY({array}) ORDER BY {name} FOR UPDATE")


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
