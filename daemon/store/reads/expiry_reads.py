"""Which deliveries expire when: run them with `Reader.fetch`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, tuple_

from daemon.store.schema import deliveries, expiries
from daemon.store.stored_status import PENDING_WORDS

# Behind which delivery to go on: its time, and its number.
Place = tuple[int, int]
FIRST: Place = (0, 0)


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that has expired, by its number, unless it is over, or gone."""

    seq: int
    webhook_id: str
    is_pending: bool


def due_expiries(connection: Connection, now: int, behind: Place, limit: int) -> tuple[Sequence[Due], Place | None]:
    """Return the next deliveries that have expired at `now`, and where to go on (None: done)."""
    key = expiries.c.expires_at, expiries.c.delivery_seq
    query = select(expiries, deliveries.c.status).outerjoin(deliveries, deliveries.c.seq == expiries.c.delivery_seq)
    some = query.where(expiries.c.expires_at <= now, tuple_(*key) > tuple_(*behind)).order_by(*key).limit(limit)
    found = connection.execute(some).all()
    more = len(found) == limit
    due = [Due(row.delivery_seq, row.webhook_id, row.status in PENDING_WORDS) for row in found]
    return due, (found[-1].expires_at, found[-1].delivery_seq) if more else None


def next_expiry_at(connection: Connection, now: int) -> int | None:
    """Return when the next delivery after `now` expires, None if none does."""
    return connection.execute(select(func.min(expiries.c.expires_at)).where(expiries.c.expires_at > now)).scalar()
