"""Statements for many rows, and reading many rows in one step: what is wanted, which an engine puts into SQL.

An engine hands its way to run these statements to each of its connections (architecture "The store's engine").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    CompoundSelect,
    Connection,
    Integer,
    LargeBinary,
    Select,
    TableClause,
    Text,
    Update,
    column,
    literal,
    select,
    table,
)
from sqlalchemy import Table as SchemaTable
from sqlalchemy.sql.functions import FunctionElement

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class InsertRows:
    """Insert rows with these columns of a table, in this order; the other columns are NULL, or the table's default.

    With `skip_existing`, a row whose value in a unique column already exists is skipped. `usually_many` says that there
    are mostly a hundred rows or so, none with bytes.
    """

    table: SchemaTable
    columns: tuple[str, ...]
    skip_existing: bool = False
    usually_many: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AddRows:
    """Insert rows with all columns of a table; if the primary key already exists, add the numbers to that row's.

    No two of the rows have the same key.
    """

    table: SchemaTable


@dataclass(frozen=True, slots=True, eq=False)
class UpdateRows:
    """Update rows of a table: `update` reads the new values from the rows, as the table `given`; it may return rows.

    With `shared`, writers of several nodes may update such rows at once: they are locked first, in the order of this
    column, whose values are the first column of `given`.
    """

    given: TableClause
    update: Update
    shared: Column[Any] | None = None


RowStatement = InsertRows | AddRows | UpdateRows
# How many rows it changed, and those that it returned.
RunRows = Callable[[Connection, RowStatement, Sequence[Row]], tuple[int, list[Row]]]
# The execution option of a connection that holds its engine's RunRows.
RUN_ROWS = "run_rows"
# The one that holds, if a round trip to the server is worth saving, what runs a statement together with later ones.
SendRows = Callable[[Connection, RowStatement, Sequence[Row]], None]
SEND_ROWS = "send_rows"
# The one that holds, if several processes may write, what locks names until the transaction ends.
LockNames = Callable[[Connection, Sequence[str]], None]
LOCK_NAMES = "lock_names"


def given_rows(**columns: Column[Any]) -> TableClause:
    """Return the rows of an UpdateRows as a table: their columns, in order, each of the type of one of the schema's."""
    return table("given", *(column(name, like.type) for name, like in columns.items()))


def execute_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> int:
    """Run a statement for these rows; return how many rows it changed.

    Values are plain numbers, texts and bytes, and 0 or 1 for a boolean: others (an enum's member, a bool) are converted
    at many times the cost. Raises SQLAlchemy's DBAPIError, of the same kind as the connection itself would; then the
    transaction must end, and nothing of it is kept.
    """
    changed, _ = _run(connection, statement, rows)
    return changed


def send_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> None:
    """Run such a statement in its turn, but perhaps only with the next one, or at the end of the transaction.

    Then that one raises what this one should have raised.
    """
    send: SendRows | None = connection.get_execution_options().get(SEND_ROWS)
    if send is None:
        _run(connection, statement, rows)
    else:
        send(connection, statement, rows)


def returned_rows(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> list[Row]:
    """Run such a statement; return the rows that it returns, in whichever order they come."""
    _, returned = _run(connection, statement, rows)
    return returned


def _run(connection: Connection, statement: RowStatement, rows: Sequence[Row]) -> tuple[int, list[Row]]:
    run: RunRows = connection.get_execution_options()[RUN_ROWS]
    return run(connection, statement, rows)


def lock_names(connection: Connection, names: Sequence[str]) -> None:
    """Have no other transaction that locks one of these names go on before this one ends."""
    lock: LockNames | None = connection.get_execution_options().get(LOCK_NAMES)
    if lock is not None:
        lock(connection, sorted(set(names)))


class JsonRows(FunctionElement[str]):
    """Every row that is selected, as one JSON array of arrays."""

    type = Text()
    inherit_cache = True


class TextOf(FunctionElement[str]):
    """Bytes that hold UTF-8, as text."""

    type = Text()
    inherit_cache = True


class HasBytes(FunctionElement[int]):
    """Where bytes begin in a column of bytes, from 1; 0 if they are not there."""

    type = Integer()
    inherit_cache = True

    def __init__(self, column: Column[bytes], needle: bytes) -> None:
        super().__init__(column, literal(needle, LargeBinary))


def in_one_row(query: Select[Any] | CompoundSelect[Any]) -> Select[Any]:
    """Return a query for all rows of this one as one, for `fetch_rows`. Columns must be numbers, texts or NULL."""
    return select(JsonRows(*query.subquery("page").c))


def fetch_rows(connection: Connection, query: Select[Any], values: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of a query that `in_one_row` made, in whichever order they come."""
    return list(orjson.loads(connection.execute(query, values).scalar_one()))
