"""The read of the failed deliveries that led to a disabling, for the mail and for the console."""

from sqlalchemy import Connection, and_, func, select

from daemon.domain.model import DeliveryStatus, FailedDelivery
from daemon.store import rows
from daemon.store.schema import attempts, deliveries, events


def failures_of(connection: Connection, webhook_id: str, limit: int) -> list[FailedDelivery]:
    """Return a webhook's newest failed deliveries since its last success, at most `limit`, oldest first."""
    of_webhook = deliveries.c.webhook_id == webhook_id
    succeeded = select(func.max(deliveries.c.seq)).where(of_webhook, deliveries.c.status == DeliveryStatus.SUCCEEDED)
    last = and_(attempts.c.delivery_seq == deliveries.c.seq, attempts.c.number == deliveries.c.attempts_made)
    query = (
        select(
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
        .where(of_webhook, deliveries.c.status == DeliveryStatus.FAILED)
        .where(deliveries.c.seq > func.coalesce(succeeded.scalar_subquery(), 0))
        .order_by(deliveries.c.seq.desc())
        .limit(limit)
    )
    return [rows.failed_delivery(row) for row in reversed(connection.execute(query).all())]
