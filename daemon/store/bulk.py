"""Many rows in one statement, and many rows read in one step.

Python's sqlite3 gives the interpreter lock up for each step of a statement and then waits to get it back from a busy
event loop: a row a step, as `executemany` and cursors go, costs the daemon more than the row itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import CompoundSelect, Connection, Select, func, select
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

# Statements stay prepared by their text, and to prepare one costs more than to run it: few sizes, the last one 1. Each
# is half of the one before, so that what a commit has of a kind, which is rarely much, is written in few steps.
_ROWS_AT_ONCE = (256, 128, 64, 32, 16, 8, 4, 2, 1)

Row = tuple[Any, ...]


def execute_rows(connection: Connection, statement: str, rows: Sequence[Row]) -> int:
    """Run a statement whose `{rows}` stands for the rows of a VALUES clause; return how many rows it changed.

    The columns of VALUES are called `column1`, `column2` and so on, in SQLite as in PostgreSQL. Values should be plain
    numbers, texts and bytes: others (an enum's member, a bool) are converted at many times the cost.
    Raises SQLAlchemy's DBAPIError, of the same kind as the connection itself would.
    """
    return sum(cursor.rowcount for cursor in _run(connection, statement, rows))


def returned_rows(connection: Connection, statement: str, rows: Sequence[Row]) -> list[Row]:
    """Run such a statement that ends in RETURNING; return its rows, in whichever order they come."""
    # SQLite has done all of it when the first row is there, and keeps the others in memory: to fetch them cannot fail.
    return [row for cursor in _run(connection, statement, rows) for row in cursor.fetchall()]


def _run(connection: Connection, statement: str, rows: Sequence[Row]) -> Iterator[DBAPICursor]:
    # The driver's own cursor: Core's way to it costs more than most of these statements.
    cursor = connection.connection.cursor()
    try:
        for some in _pieces(rows):
            cursor.execute(_with_places(statement, len(some), len(some[0])), list(chain.from_iterable(some)))
            yield cursor
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(statement, None, error, Exception) from error


@lru_cache(maxsize=256)
def _with_places(statement: str, rows: int, columns: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return statement.format(rows=", ".join([row] * rows))


def execute_at_once(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run a statement whose one parameter is a JSON array of these rows, of numbers and texts, in a single step.

    For rows that are cheap themselves: how many steps there are is what they cost.
    """
    if rows:
        execute_rows(connection, statement, [(orjson.dumps(rows).decode(),)])


def in_one_row(query: Select[Any] | CompoundSelect[Any]) -> Select[Any]:
    """Return a query for all rows of this one as one, for `fetch_rows`. Columns must be numbers, texts or NULL."""
    return select(func.json_group_array(func.json_array(*query.subquery("page").c)))


def fetch_rows(connection: Connection, query: Select[Any], values: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of a query that `in_one_row` made, in whichever order they come."""
    return list(orjson.loads(connection.execute(query, values).scalar_one()))


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in _ROWS_AT_ONCE:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
