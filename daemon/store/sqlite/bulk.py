"""Statements for many rows, and queries that return many rows as one, in SQLite's dialect.

Python's sqlite3 releases the interpreter lock for each step of a statement, and then waits for a busy event loop to
give it back: with one step for each row, as with `executemany` and cursors, the wait costs more than the row itself.

A statement that fails rolls the whole transaction back (OR ROLLBACK). To be able to undo that statement alone, SQLite
would first copy each page that it changes into a temporary file: twice the pages that the commit writes. After a
failure the transaction does not continue anyway (`daemon.store.writes.batch`).
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

from daemon.store.bulk import AddRows, HasBytes, InsertRows, JsonRows, Row, RowStatement, TextOf, UpdateRows

# SQLite caches prepared statements by their text, and preparing one costs more than running it: hence few sizes, each
# half of the one before. A commit rarely has many rows of a kind, so few statements write them.
_ROWS_AT_ONCE = (256, 128, 64, 32, 16, 8, 4, 2, 1)
_SQLITE: Dialect = dialect()
_GIVEN = re.compile(r"\bgiven\.(\w+)")


def run_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> tuple[int, list[Row]]:
    """Run a statement for these rows; return how many rows it changed, and the rows it returned.

    If it raises, the transaction is rolled back.
    """
    changed, returned = 0, list[Row]()
    # The driver's own cursor: Core's overhead is more than most of these statements cost.
    cursor = connection.connection.cursor()
    for text, values in _steps(statement, rows):
        try:
            cursor.execute(text, values)
        except sqlite3.Error as error:
            raise DBAPIError.instance(text, None, error, Exception) from error
        # SQLite has finished the work when it returns the first row, and has the others in memory: this cannot fail.
        returned += cursor.fetchall()
        changed += cursor.rowcount  # known after the last row was fetched
    return changed, returned


def _steps(statement: RowStatement, rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[Any]]]:
    if not rows:
        return
    if isinstance(statement, InsertRows) and statement.usually_many:
        yield _from_json(statement), (orjson.dumps(rows).decode(),)
        return
    for chunk in _chunks(rows):
        yield _from_values(statement, len(chunk)), list(chain.from_iterable(chunk))


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in _ROWS_AT_ONCE:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@cache
def _from_json(statement: InsertRows) -> str:
    """Render a statement whose only parameter is a JSON array of all rows, and which takes one step.

    For rows that are cheap to write, where the steps would cost most.
    """
    values = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(statement.columns)))
    source = f"SELECT {values} FROM json_each(?) WHERE true"  # without WHERE, SQLite parses ON as part of a join
    return _insert(statement, statement.columns, source)


@cache
def _from_values(statement: RowStatement, size: int) -> str:
    columns = _columns(statement)
    values = "VALUES " + ", ".join(["(" + ", ".join("?" * len(columns)) + ")"] * size)
    return _update(statement, values) if isinstance(statement, UpdateRows) else _insert(statement, columns, values)


def _columns(statement: RowStatement) -> Sequence[str]:
    match statement:
        case AddRows():
            return statement.table.c.keys()
        case InsertRows():
            return statement.columns
        case UpdateRows():
            return statement.given.c.keys()


def _insert(statement: AddRows | InsertRows, columns: Iterable[str], source: str) -> str:
    text = f"INSERT OR ROLLBACK INTO {statement.table.name} ({', '.join(columns)}) {source}"
    if isinstance(statement, AddRows):
        return f"{text} ON CONFLICT {_add_on_conflict(statement)}"
    return f"{text} ON CONFLICT DO NOTHING" if statement.skip_existing else text


def _add_on_conflict(statement: AddRows) -> str:
    name, key = statement.table.name, [column.name for column in statement.table.primary_key]
    added = [column.name for column in statement.table.c if not column.primary_key]
    sums = ", ".join(f"{column} = {name}.{column} + excluded.{column}" for column in added)
    return f"({', '.join(key)}) DO UPDATE SET {sums}"


def _update(statement: UpdateRows, values: str) -> str:
    """Render an update from VALUES, whose columns are called `column1`, `column2` and so on."""
    update = statement.update.prefix_with("OR ROLLBACK")
    text = str(update.compile(dialect=_SQLITE, compile_kwargs={"literal_binds": True}))
    places = {name: f"given.column{place}" for place, name in enumerate(statement.given.c.keys(), 1)}
    text = _GIVEN.sub(lambda found: places[found[1]], text)
    return text.replace("FROM given", f"FROM ({values}) AS given", 1)


@compiles(JsonRows, "sqlite")
def _json_rows(element: JsonRows, compiler: Any, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


@compiles(TextOf, "sqlite")
def _text_of(element: TextOf, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS TEXT)"


@compiles(HasBytes, "sqlite")
def _has_bytes(element: HasBytes, compiler: Any, **options: Any) -> str:
    column, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"instr({column}, {needle})"
