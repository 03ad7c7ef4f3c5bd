"""All rows of a database file, page by page, and a new file made of such pages."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Boolean, Integer, Table

from daemon.files.acting_user import acting_as_owner_of
from daemon.store.cells import PAYLOAD, kind_of
from daemon.store.engine import DatabaseRefused
from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite.copy import read_only_uri
from daemon.store.sqlite.hardening import harden
from daemon.store.sqlite.structure import structure_at
from daemon.store.whole_tables import PAGE_ROWS, TABLES, Pages, Row

# Indexes of many rows are made in their order, for which the pages of one should fit.
_CACHE_KIB = 32_000
_SHORT_INTEGERS = 2**31


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database of the newest revision in a transaction that sees one snapshot of it.

    Raises DatabaseRefused when it cannot be read, within the block, too.
    """
    try:
        with (
            acting_as_owner_of(path.parent),
            closing(sqlite3.connect(read_only_uri(path), uri=True, isolation_level=None)) as connection,
        ):
            harden(connection)
            connection.execute("BEGIN")
            yield connection
    except (sqlite3.Error, UnicodeError) as error:
        raise DatabaseRefused(f"{path}: cannot be read ({error}): use an undamaged backup") from None


def size_and_rows(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the size of the database in bytes, and how many rows its tables have. Reads an index of each."""
    (size,) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
    counts = (connection.execute(f"SELECT count(*) FROM {table.name}").fetchone() for table in TABLES)
    return size, sum(count for (count,) in counts)


def pages(connection: sqlite3.Connection, table: Table) -> Pages:
    """Yield all rows of a table."""
    cursor = connection.execute(f"SELECT {_names(table)} FROM {table.name}")
    flags = [n for n, column in enumerate(table.c) if isinstance(column.type, Boolean)]
    while page := cursor.fetchmany(PAGE_ROWS):
        yield [_with_flags(row, flags) for row in page] if flags else page


def _with_flags(row: Row, flags: Sequence[int]) -> Row:
    cells = list(row)
    for n in flags:
        if cells[n] is not None:
            cells[n] = bool(cells[n])
    return tuple(cells)


def cell_of_this_engine_alone(path: Path) -> str | None:
    """Return a sentence about a cell that other engines cannot hold or read; None if there is none.

    That is a number of more than 32 bits in a column that needs none, or a NUL in what is read as text. Tables and
    columns that an older database does not have are skipped. Raises DatabaseRefused.
    """
    with reading(path) as connection:
        return next(filter(None, (_cell_of(connection, table) for table in TABLES)), None)


def _cell_of(connection: sqlite3.Connection, table: Table) -> str | None:
    existing = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table.name})")}
    limits = {
        column.name: limit for column in table.c if column.name in existing and (limit := _limit_of(column)) is not None
    }
    if not limits:
        return None
    wrong = " ".join(f"WHEN {limit[0].format(name)} THEN '{name} {limit[1]}'" for name, limit in limits.items())
    keys = " || ', ' || ".join(f'"{column.name}"' for column in table.primary_key.columns)
    query = f"SELECT {keys}, CASE {wrong} END AS wrong FROM {table.name} WHERE wrong IS NOT NULL LIMIT 1"
    row = connection.execute(query).fetchone()
    return None if row is None else f"table {table.name}, row {row[0]}: the column {row[1]}"


def _limit_of(column: object) -> tuple[str, str] | None:
    if type(column.type) is Integer:  # type: ignore[attr-defined]  # a Column of any type
        return f'"{{0}}" >= {_SHORT_INTEGERS}', "holds a number of more than 32 bits"
    if kind_of(column) is PAYLOAD:  # type: ignore[arg-type]  # a Column of any type
        return "instr(\"{0}\", x'00')", "holds a NUL"
    return None


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Make a database of the newest revision in the empty file at `path`, without rows; with its indexes in the end.

    It is not flushed, and what an error leaves of it is worth nothing. Raises DatabaseRefused, within the block, too.
    """
    made = structure_at(HEAD_REVISION)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _prepare(connection)
            _create(connection, (sql for (kind, *_), sql in made.items() if kind == "table"))
            connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD_REVISION,))
            yield connection
            _create(connection, (sql for (kind, *_), sql in made.items() if kind != "table"))
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise DatabaseRefused(
            f"{path.parent}: no file can be written there ({error}), and none is left: correct that, and repeat"
        ) from None


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = OFF")  # a file that is not finished is removed
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("BEGIN")


def _create(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    for sql in statements:
        if sql:  # the indexes of PRIMARY KEY and UNIQUE have none: their tables create them
            connection.execute(sql)


def write_pages(connection: sqlite3.Connection, table: Table, all_rows: Pages) -> None:
    """Insert these rows."""
    marks = ", ".join("?" for _ in table.c)
    for page in all_rows:
        connection.executemany(f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks})", page)


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.c)
