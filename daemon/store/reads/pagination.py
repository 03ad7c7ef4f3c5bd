"""Pagination by `seq`, newest first, never by offset; a page examines a bounded number of rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select

# Examining this many rows takes a few milliseconds.
LOOK_AT = 5_000


class _HasSeq(Protocol):
    @property
    def seq(self) -> int: ...


Item = TypeVar("Item")
Numbered = TypeVar("Numbered", bound=_HasSeq)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items in order, and where the next page begins (None: there is none).

    `looked_at` is approximately how many rows were examined for it.
    """

    items: tuple[Item, ...]
    next_cursor: int | None
    looked_at: int = 0


def page_of(
    connection: Connection,
    query: Select[Any],
    table: Table,
    limit: int,
    before: int | None,
    value: Callable[[Row[Any]], Item],
) -> Page[Item]:
    """Return the first `limit` rows of `query` before this `seq`, newest first, as values."""
    if before is not None:
        query = query.where(table.c.seq < before)
    found: Sequence[Row[Any]] = connection.execute(query.order_by(table.c.seq.desc()).limit(limit + 1)).all()
    shown = found[:limit]
    return Page(tuple(value(row) for row in shown), shown[-1].seq if len(found) > limit else None, len(shown))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a table, from `first_seq` on: an index serves `by_index`, each row is checked for `by_row`.

    No index may serve a condition of `by_row`. `columns` are those that are read, all if none are named.
    """

    table: Table
    by_index: Sequence[ColumnElement[bool]]
    by_row: Sequence[ColumnElement[bool]]
    first_seq: int = 0
    columns: Sequence[ColumnElement[Any]] = ()


def bounded_page(
    connection: Connection,
    choice: Choice,
    limit: int,
    before: int | None,
    value: Callable[[Row[Any]], Item],
    look_at: int,
) -> Page[Item]:
    """Return the next `limit` of the chosen rows before this `seq`, newest first, after examining at most `look_at`.

    So the page may hold fewer, even none, and still have a next page, which continues where this one stopped.
    """
    chosen = select(*choice.columns or (choice.table,)).where(*choice.by_index, *choice.by_row)
    unseen = _first_unseen(connection, choice, before=before, look_at=look_at) if choice.by_row else None
    # A single lower bound: of two, an engine may use the wrong one and scan past the other.
    first_seq = choice.first_seq if unseen is None else unseen + 1
    page = page_of(
        connection, _from(chosen, choice.table, first_seq), table=choice.table, limit=limit, before=before, value=value
    )
    if unseen is None:
        return page
    return Page(page.items, page.next_cursor if page.next_cursor is not None else unseen + 1, look_at)


def merged_page(
    connection: Connection,
    choices: Sequence[Choice],
    limit: int,
    before: int | None,
    value: Callable[[Row[Any]], Numbered],
    look_at: int,
) -> Page[Numbered]:
    """Return the same of several choices that have no row in common; all of them examine at most `look_at` rows."""
    share = max(1, look_at // len(choices))
    pages = [
        bounded_page(connection, choice, limit=limit, before=before, value=value, look_at=share) for choice in choices
    ]
    # Behind this one has stopped, and others may have gone on.
    reached = max((page.next_cursor for page in pages if page.next_cursor is not None), default=0)
    items = sorted(
        (item for page in pages for item in page.items if item.seq >= reached), key=lambda one: one.seq, reverse=True
    )
    cursor = items[limit - 1].seq if len(items) > limit else reached or None
    return Page(tuple(items[:limit]), cursor, sum(page.looked_at for page in pages))


def _first_unseen(connection: Connection, choice: Choice, before: int | None, look_at: int) -> int | None:
    # Reads the index only: reading the rows costs many times as much.
    query = _from(select(choice.table.c.seq).where(*choice.by_index), choice.table, choice.first_seq)
    if before is not None:
        query = query.where(choice.table.c.seq < before)
    return connection.execute(query.order_by(choice.table.c.seq.desc()).offset(look_at).limit(1)).scalar()


def _from(query: Select[Any], table: Table, first_seq: int) -> Select[Any]:
    return query.where(table.c.seq >= first_seq) if first_seq else query
