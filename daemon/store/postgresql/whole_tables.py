"""All rows of a database, page by page, by COPY, and the sequences that number them."""

from itertools import islice
from typing import Any

from psycopg import Cursor
from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, Table, Text

from daemon.store.whole_tables import PAGE_ROWS, TABLES, Pages

_TYPES = {Boolean: "bool", Integer: "int4", BigInteger: "int8", LargeBinary: "bytea", Text: "text"}
# What numbers these tables besides the sequence that belongs to the column.
_ORDERS = (("event_order", "events"), ("delivery_order", "deliveries"))


def size_and_rows(connection: Connection) -> tuple[int, int]:
    """Return the size of the database in bytes, and how many rows our tables have. Reads each of them."""
    size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    counts = (connection.exec_driver_sql(f"SELECT count(*) FROM {table.name}").scalar_one() for table in TABLES)
    return size, sum(counts)


def pages(connection: Connection, table: Table) -> Pages:
    """Yield all rows of a table."""
    with _cursor(connection).copy(f"COPY {_target(table)} TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(_types(table))
        rows = copy.rows()
        while page := list(islice(rows, PAGE_ROWS)):
            yield page


def write_pages(connection: Connection, table: Table, all_rows: Pages) -> None:
    """Insert these rows."""
    with _cursor(connection).copy(f"COPY {_target(table)} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_types(table))
        for page in all_rows:
            for row in page:
                copy.write_row(row)


def set_sequences(connection: Connection) -> None:
    """Have each sequence go on behind the highest number in its table. Undone with the transaction, unlike setval."""
    for table in TABLES:
        if "seq" in table.c:
            own = connection.exec_driver_sql(f"SELECT pg_get_serial_sequence('{table.name}', 'seq')").scalar_one()
            _go_on_behind(connection, own, table.name)
    for sequence, name in _ORDERS:
        _go_on_behind(connection, connection.exec_driver_sql(f"SELECT to_regclass('{sequence}')").scalar_one(), name)


def _go_on_behind(connection: Connection, sequence: str | None, table: str) -> None:
    if sequence is not None:
        highest = connection.exec_driver_sql(f"SELECT coalesce(max(seq), 0) FROM {table}").scalar_one()
        connection.exec_driver_sql(f"ALTER SEQUENCE {sequence} RESTART WITH {highest + 1}")


def analyze(connection: Connection) -> None:
    """Let the planner know the tables, which it takes for empty."""
    for table in TABLES:
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def _cursor(connection: Connection) -> Cursor[Any]:
    cursor: Cursor[Any] = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]  # it is open
    return cursor


def _target(table: Table) -> str:
    return f"{table.name} ({', '.join(column.name for column in table.c)})"


def _types(table: Table) -> list[str]:
    return [_TYPES[type(column.type)] for column in table.c]
