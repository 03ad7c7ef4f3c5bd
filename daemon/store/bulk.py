"""Many rows in one statement, and many rows read in one step.

Python's sqlite3 gives the interpreter lock up for each step of a statement and then waits to get it back from a busy
event loop: a row a step, as `executemany` and cursors go, costs the daemon more than the row itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Select, func, select

# SQLite keeps prepared statements by their text: few sizes, so that those in use stay prepared and small.
_ROWS_AT_ONCE = 64

Row = TypeVar("Row")


def execute_rows(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run a statement whose `{rows}` stands for the rows of a VALUES clause; return how many rows it changed.

    The columns of VALUES are called `column1`, `column2` and so on, in SQLite as in PostgreSQL.
    """
    changed = 0
    for some in _pieces(rows):
        places = ", ".join(["(" + ", ".join("?" * len(some[0])) + ")"] * len(some))
        values = tuple(value for row in some for value in row)
        changed += connection.exec_driver_sql(statement.format(rows=places), values).rowcount
    return changed


def in_one_row(query: Select[Any]) -> Select[Any]:
    """Return a query for all rows of this one as one, for `fetch_rows`. Columns must be numbers, texts or NULL."""
    return select(func.json_group_array(func.json_array(*query.subquery("page").c)))


def fetch_rows(connection: Connection, query: Select[Any], values: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of a query that `in_one_row` made, in whichever order they come."""
    return list(orjson.loads(connection.execute(query, values).scalar_one()))


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
