"""Which deliveries are pending or being cancelled, and which events a webhook missed: what reads and writes share."""

from sqlalchemy import ColumnElement, and_, exists, or_

from daemon.domain.event_types import WILDCARD
from daemon.domain.model import DeliveryStatus, Webhook
from daemon.store.schema import cancellations, deliveries, events

IS_PENDING = deliveries.c.status == DeliveryStatus.PENDING
IS_COVERED = and_(
    cancellations.c.webhook_id == deliveries.c.webhook_id,
    cancellations.c.through_seq >= deliveries.c.seq,
    or_(cancellations.c.except_seq.is_(None), cancellations.c.except_seq != deliveries.c.seq),
)
# Whether one of `deliveries`, if it is pending, is covered by a cancellation that has not reached it.
IS_BEING_CANCELLED = exists().where(IS_COVERED)


def is_missed(webhook: Webhook, since: int) -> ColumnElement[bool]:
    """Return the condition under which recovering since then queues one of `events`, if it is of the webhook's team."""
    got_or_waits = exists().where(
        deliveries.c.event_id == events.c.id,
        # Appended to, so that no index of the webhook is taken for the event's.
        deliveries.c.webhook_id.concat("") == webhook.id,
        or_(deliveries.c.status == DeliveryStatus.SUCCEEDED, and_(IS_PENDING, ~IS_BEING_CANCELLED)),
    )
    missed = and_(events.c.accepted_at >= since, events.c.test.is_(False), ~got_or_waits)
    return missed if WILDCARD in webhook.events else and_(events.c.type.in_(webhook.events), missed)
