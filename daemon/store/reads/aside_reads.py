"""Which deliveries wait aside until when: run them with `Reader.fetch`."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, func, select, tuple_

from daemon.store.schema import set_aside

# Behind which delivery to go on: its time, and its number.
Place = tuple[int, int]
FIRST: Place = (0, 0)
# The numbers of some deliveries, each with its webhook's id, and where to go on (None: done).
Found = tuple[Sequence[tuple[int, str]], Place | None]
ReadDue = Callable[[Connection, int, Place, int], Found]


def due_aside(connection: Connection, now: int, behind: Place, limit: int) -> Found:
    """Return the next deliveries whose time has come at `now`, in the order of their times."""
    query = select(set_aside).where(set_aside.c.due_at <= now)
    return _page(connection, query, set_aside.c.due_at, behind=behind, limit=limit)


def aside_of_later_clock(connection: Connection, now: int, behind: Place, limit: int) -> Found:
    """Return the next deliveries whose time was counted from one after `now`: the clock was set back since."""
    query = select(set_aside).where(set_aside.c.counted_from > now)
    return _page(connection, query, set_aside.c.counted_from, behind=behind, limit=limit)


def next_aside_at(connection: Connection, now: int) -> int | None:
    """Return when the next one after `now` is due, None if none is."""
    return connection.execute(select(func.min(set_aside.c.due_at)).where(set_aside.c.due_at > now)).scalar()


def _page(connection: Connection, query: Any, at: Column[int], *, behind: Place, limit: int) -> Found:
    key = at, set_aside.c.delivery_seq
    some = query.where(tuple_(*key) > tuple_(*behind)).order_by(*key).limit(limit)
    found: Sequence[Row[Any]] = connection.execute(some).all()
    last = found[-1]._mapping if len(found) == limit else None
    behind_last = None if last is None else (last[at], last[set_aside.c.delivery_seq])
    return [(row.delivery_seq, row.webhook_id) for row in found], behind_last
