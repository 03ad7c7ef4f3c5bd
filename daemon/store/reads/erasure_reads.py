"""What is left of erasures: run them with `Reader.fetch`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from daemon.domain.erasures import Erasure
from daemon.store.rows import check_row
from daemon.store.schema import deliveries, erasures
from daemon.store.stored_status import PENDING_WORDS


@dataclass(frozen=True, slots=True)
class ErasedPage:
    """Some deliveries of an event, the pending ones of them by webhook, and where to go on (None: that is all)."""

    seqs: Sequence[int]
    pending: dict[str, list[int]]
    next_after_seq: int | None


def next_erasure(connection: Connection, after_seq: int) -> Erasure | None:
    """Return the next erasure behind `after_seq`, or else the first; None if there is none."""
    return _erasure_behind(connection, after_seq) or _erasure_behind(connection, 0)


def _erasure_behind(connection: Connection, after_seq: int) -> Erasure | None:
    behind = select(erasures).where(erasures.c.seq > after_seq).order_by(erasures.c.seq)
    row = connection.execute(behind.limit(1)).first()
    if row is None:
        return None
    check_row("erasures", row)
    return Erasure(row.seq, row.event_id, row.team_id, after_seq=row.after_seq)


def is_being_erased(connection: Connection, event_id: str) -> bool:
    """Return whether something of an erased event is still to be erased."""
    return connection.execute(select(erasures.c.seq).where(erasures.c.event_id == event_id)).first() is not None


def deliveries_to_erase(connection: Connection, event_id: str, after_seq: int, limit: int) -> ErasedPage:
    """Return the next deliveries of an event behind a place."""
    of_event = select(deliveries.c.seq, deliveries.c.webhook_id, deliveries.c.status).where(
        deliveries.c.event_id == event_id, deliveries.c.seq > after_seq
    )
    found = connection.execute(of_event.order_by(deliveries.c.seq).limit(limit)).all()
    pending: dict[str, list[int]] = {}
    for row in found:
        if row.status in PENDING_WORDS:
            pending.setdefault(row.webhook_id, []).append(row.seq)
    return ErasedPage([row.seq for row in found], pending, found[-1].seq if len(found) == limit else None)
