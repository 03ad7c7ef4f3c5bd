"""The read of the failed deliveries that led to a disabling, for the mail and for the console."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, select

from daemon.domain.model import DeliveryStatus, FailedDelivery
from daemon.store import rows
from daemon.store.schema import attempts, deliveries, events

# As many as an actor may have taken before it sees one with a lower number, which another node accepted meanwhile.
_LOOKED_AT = 128


def failures_of(connection: Connection, webhook_id: str, limit: int) -> list[FailedDelivery]:
    """Return a webhook's newest failed deliveries since its last success, at most `limit`, in the order of acceptance.

    With several nodes that need not be the order in which they failed. So one counts as failed since the last success
    if it was accepted after that one, or ended after it.
    """
    failed = _newest(connection, webhook_id, DeliveryStatus.FAILED, count=_LOOKED_AT)
    successes = _newest(connection, webhook_id, DeliveryStatus.SUCCEEDED, count=1)
    since = [
        one.seq
        for one in failed
        if all(one.seq > success.seq or one.completed_at > success.completed_at for success in successes)
    ]
    last = and_(attempts.c.delivery_seq == deliveries.c.seq, attempts.c.number == deliveries.c.attempts_made)
    query = (
        select(
            deliveries.c.seq,
            deliveries.c.id,
            deliveries.c.event_type,
            events.c.accepted_at,
            deliveries.c.completed_at,
            attempts.c.outcome,
            attempts.c.status,
            attempts.c.error,
        )
        .join_from(deliveries, attempts, last)
        .join(events, events.c.id == deliveries.c.event_id)
        .where(deliveries.c.seq.in_(since[:limit]))
    )
    found: Any = connection.execute(query).all()
    return [rows.failed_delivery(row) for row in sorted(found, key=lambda row: row.seq)]


def _newest(connection: Connection, webhook_id: str, status: DeliveryStatus, count: int) -> Sequence[Any]:
    """Return the newest deliveries of a webhook that ended like this, the newest first."""
    ended = select(deliveries.c.seq, deliveries.c.completed_at)
    ended = ended.where(deliveries.c.webhook_id == webhook_id, deliveries.c.status == status)
    return connection.execute(ended.order_by(deliveries.c.seq.desc()).limit(count)).all()
