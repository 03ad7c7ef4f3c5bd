"""Every table with all of its rows, in a form that no engine changes: what is copied between engines and compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from msgspec.msgpack import encode
from sqlalchemy import Table

from daemon.store.schema import credit_entries, metadata, teams

# A cell is an int, a bool, a str, bytes or None; cells are in the order of the table's columns.
Row = tuple[Any, ...]
Page = Sequence[Row]
Pages = Iterator[Page]
PagesOf = Callable[[Table], Pages]
WriteTable = Callable[[Table, Pages], None]

TABLES: Sequence[Table] = metadata.sorted_tables
# Of a page: a body has up to 256 KB.
PAGE_ROWS = 64
_DIGEST_BYTES = 16
_MONEY: Mapping[str, int] = {
    table.name: list(table.c).index(column)
    for table, column in ((teams, teams.c.balance), (credit_entries, credit_entries.c.amount))
}


@dataclass(slots=True)
class TableSum:
    """What tells whether two tables hold the same rows, in whatever order they are read.

    `digest` is the sum of the rows' own digests; `credits` the sum of the balances, or of the ledger's amounts.
    """

    table: str
    rows: int = 0
    digest: int = 0
    credits: int = 0

    def add(self, page: Page) -> None:
        """Count these rows in."""
        self.rows += len(page)
        digests = (blake2b(encode(row), digest_size=_DIGEST_BYTES).digest() for row in page)
        self.digest = (self.digest + sum(map(int.from_bytes, digests))) % 2 ** (8 * _DIGEST_BYTES)
        if (column := _MONEY.get(self.table)) is not None:
            self.credits += sum(row[column] for row in page)


def difference(copied: Sequence[TableSum], found: Sequence[TableSum]) -> str | None:
    """Return what differs, in words; None if nothing does. Both are of all tables, in one order."""
    for one, other in zip(copied, found, strict=True):
        if one.rows != other.rows:
            return f"table {one.table} has {other.rows:,} rows instead of {one.rows:,}"
        if one.credits != other.credits:
            return f"the credits in table {one.table} add up to {other.credits:,} instead of {one.credits:,}"
        if one.digest != other.digest:
            return f"table {one.table} has other rows"
    return None
