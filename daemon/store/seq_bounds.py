"""From times to places in the order of acceptance, by halving: times have no index, and need none.

Times rise with `seq`, but for the moment between acceptance and commit and for a wall clock that is set back. Places
are right while that is never more than `CLOCK_MARGIN_MS`.
"""

from sqlalchemy import Column, Connection, bindparam, func, select

CLOCK_MARGIN_MS = 5 * 60 * 1000


def first_seq_since(connection: Connection, seq: Column[int], at: Column[int], since: int) -> int:
    """Return a `seq` before which no row's time `at` is at or after `since`."""
    return _turning_point(connection, seq, at, since - CLOCK_MARGIN_MS)


def end_seq_until(connection: Connection, seq: Column[int], at: Column[int], until: int) -> int:
    """Return a `seq` from which on no row's time `at` is at or before `until`."""
    return _turning_point(connection, seq, at, until + CLOCK_MARGIN_MS + 1)


def _turning_point(connection: Connection, seq: Column[int], at: Column[int], moment: int) -> int:
    """Return a `seq` whose next row, if there is one, has a time at or after `moment`, and whose last has not."""
    # Apart: together they would be looked for in all rows.
    first, last = (connection.execute(select(end)).scalar() for end in (func.min(seq), func.max(seq)))
    low, high = first or 0, (last or -1) + 1
    next_row = select(seq, at).where(seq >= bindparam("middle")).order_by(seq).limit(1)
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(next_row, {"middle": middle}).one()
        if row[1] < moment:
            low = row[0] + 1
        else:
            high = middle
    return int(low)
