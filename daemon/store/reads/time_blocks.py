"""Finding rows by time, even if the clock was set: blocks of consecutive rows with their earliest and latest time.

Blocks are contiguous, and are built later than their rows, by `daemon.maintenance.time_indexer`: the rows after the
last block may have any time. Rows are added only after the last block, and no row changes its time.
"""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, ColumnElement, Connection, Select, and_, bindparam, func, not_, select, true

from daemon.store.rows import right
from daemon.store.schema import deliveries, events, time_blocks
from daemon.store.upkeep_commands import KeepTimeBlock

ROWS_PER_BLOCK = 1_000

# When an event was accepted, and when a delivery was created.
TIMES = {"events": events.c.accepted_at, "deliveries": deliveries.c.created_at}

_block = time_blocks.c


@dataclass(frozen=True, slots=True)
class SeqRange:
    """Rows with `first_seq` <= `seq` < `end_seq` (None: all behind)."""

    first_seq: int
    end_seq: int | None


def next_range(
    connection: Connection, at: Column[int], from_seq: int = 0, since: int | None = None, until: int | None = None
) -> SeqRange:
    """Return the first range from `from_seq` on whose rows' time `at` may be from `since` to `until`, both included.

    No row between two ranges has such a time. The last range has no end, and may be empty.
    """
    mine, fits = _block.table_name == at.table.name, _fits(since, until)
    first = select(_block.first_seq).where(mine, fits, _block.last_seq >= from_seq).order_by(_block.first_seq).limit(1)
    if (found := _seq(connection, first)) is None:
        return SeqRange(max(_tail(connection, at), from_seq), None)
    behind = select(_block.first_seq).where(mine, not_(fits), _block.first_seq > found).order_by(_block.first_seq)
    return SeqRange(max(found, from_seq), _seq(connection, behind.limit(1)))


def last_range(
    connection: Connection, at: Column[int], before: int | None, since: int | None, until: int | None
) -> SeqRange | None:
    """Return the last range before the `seq` `before` (None: of all) whose rows' time may match, None if there is none.

    It ends at `before` or earlier.
    """
    mine, fits, tail = _block.table_name == at.table.name, _fits(since, until), _tail(connection, at)
    end, reaches = before, tail
    if before is not None and before <= tail:
        last = select(_block.last_seq).where(mine, fits, _block.first_seq < before)
        if (found := _seq(connection, last.order_by(_block.first_seq.desc()).limit(1))) is None:
            return None
        end, reaches = min(before, found + 1), found
    ahead = select(_block.last_seq).where(mine, not_(fits), _block.first_seq < reaches)
    gap = _seq(connection, ahead.order_by(_block.first_seq.desc()).limit(1))
    return SeqRange(0 if gap is None else gap + 1, end)


def highest_seq(connection: Connection, table_name: str) -> int:
    """Return the highest number in a table of `TIMES`, 0 if it is empty."""
    return int(connection.execute(select(func.coalesce(func.max(TIMES[table_name].table.c.seq), 0))).scalar_one())


def next_time_block(connection: Connection, table_name: str, through_seq: int | None = None) -> KeepTimeBlock | None:
    """Return the next block of a table, None as long as there are not enough rows for it.

    Up to `through_seq`: behind it rows with lower numbers may still appear.
    """
    at = TIMES[table_name]
    tail = _tail(connection, at)
    bounds = {"tail": tail, "limit": ROWS_PER_BLOCK}
    count, last_seq, earliest, latest = connection.execute(_block_behind(at), bounds).one()
    return (
        None
        if count < ROWS_PER_BLOCK or (through_seq is not None and last_seq > through_seq)
        else KeepTimeBlock(table_name=table_name, first_seq=tail, last_seq=last_seq, earliest=earliest, latest=latest)
    )


@cache
def _block_behind(at: Column[int]) -> Select[int, int, int, int]:
    seq = at.table.c.seq
    rows = select(seq, at.label("at")).where(seq >= bindparam("tail")).order_by(seq)
    block = rows.limit(bindparam("limit")).subquery()
    count = select(func.count(), func.max(block.c.seq), func.min(block.c.at), func.max(block.c.at))
    return count.select_from(block)


def _tail(connection: Connection, at: Column[int]) -> int:
    found = _seq(connection, _last_block(at))
    return 0 if found is None else found + 1


@cache
def _last_block(at: Column[int]) -> Select[tuple[int]]:
    mine = _block.table_name == at.table.name
    return select(_block.last_seq).where(mine).order_by(_block.first_seq.desc()).limit(1)


def _seq(connection: Connection, query: Select[tuple[int]]) -> int | None:
    """Return the `seq` that a query of blocks finds, None if it finds none. Raises DamagedRow."""
    found = connection.execute(query).scalar()
    return None if found is None else int(right("time_blocks", "last_seq", found))


def _fits(since: int | None, until: int | None) -> ColumnElement[bool]:
    late_enough = true() if since is None else _block.latest >= since
    return and_(late_enough, true() if until is None else _block.earliest <= until)
