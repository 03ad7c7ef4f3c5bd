"""Conditions that reads and writes share: which deliveries are pending, being cancelled, or missed by a webhook."""

from sqlalchemy import ColumnElement, and_, case, exists, or_

from daemon.domain.event_types import WILDCARD
from daemon.domain.model import DeliveryStatus, Origin, Webhook
from daemon.domain.operations import OPERATIONAL_TYPES
from daemon.store.schema import cancellations, deliveries, events
from daemon.store.seq_lists import is_listed
from daemon.store.stored_status import PENDING, PENDING_LOW, PENDING_WORDS, QUEUED_WORDS

# In the order of its webhook: an index has these of a webhook by their numbers.
IS_IN_ORDER = deliveries.c.status == PENDING
IS_LOW = deliveries.c.status == PENDING_LOW
# One of these two: what an actor is there for.
IS_QUEUED = deliveries.c.status.in_(QUEUED_WORDS)
# Also those that wait aside. A planner reads each word's part of an index: in no common order.
IS_PENDING = deliveries.c.status.in_(PENDING_WORDS)
IS_COVERED = and_(
    cancellations.c.webhook_id == deliveries.c.webhook_id,
    cancellations.c.through_seq >= deliveries.c.seq,
    or_(cancellations.c.except_seq.is_(None), cancellations.c.except_seq != deliveries.c.seq),
    or_(cancellations.c.except_seqs.is_(None), ~is_listed(deliveries.c.seq, cancellations.c.except_seqs)),
)
# Whether a pending delivery is covered by a cancellation that has not reached it yet.
IS_BEING_CANCELLED = exists().where(IS_COVERED)

# Of a delivery joined with its event: since when it might have been made.
PENDING_SINCE = case(
    (events.c.deliver_at > deliveries.c.created_at, events.c.deliver_at), else_=deliveries.c.created_at
)

# Of the same: when it expires. Whoever has one sent again wants it sent.
EXPIRES_AT = case((deliveries.c.origin == Origin.RESEND, None), else_=events.c.expires_at)


def is_missed(webhook: Webhook, since: int) -> ColumnElement[bool]:
    """Return the condition for a row of `events` of the webhook's team that recovering since then would queue."""
    delivered_or_pending = exists().where(
        deliveries.c.event_id == events.c.id,
        # Concatenation keeps the planner from using the webhook's index instead of the event's.
        deliveries.c.webhook_id.concat("") == webhook.id,
        or_(deliveries.c.status == DeliveryStatus.SUCCEEDED, and_(IS_PENDING, ~IS_BEING_CANCELLED)),
    )
    is_there = and_(events.c.accepted_at >= since, events.c.test.is_(False), events.c.erased_at.is_(None))
    missed = and_(is_there, ~delivered_or_pending)
    return and_(_is_subscribed(webhook), missed)


def _is_subscribed(webhook: Webhook) -> ColumnElement[bool]:
    if WILDCARD not in webhook.events:
        return events.c.type.in_(webhook.events)
    is_operational = events.c.type.in_(sorted(OPERATIONAL_TYPES))
    return is_operational if webhook.is_operational else ~is_operational
