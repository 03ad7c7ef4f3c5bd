"""Writes: some of the pending deliveries of a webhook are cancelled, by their numbers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from daemon.domain.model import CancelReason, DeliveryStatus
from daemon.store.commands import Cancelled, CancelledDelivery
from daemon.store.expiry_commands import CancelForEvent
from daemon.store.schema import deliveries
from daemon.store.sequences import Sequences
from daemon.store.stored_status import PENDING_WORDS
from daemon.store.writes.aside import forget_aside
from daemon.store.writes.counters import count_cancelled
from daemon.store.writes.expiries import forget


def cancel_named(
    connection: Connection, webhook_id: str, seqs: Sequence[int], *, reason: CancelReason, now: int
) -> Cancelled:
    """Cancel those of a webhook's deliveries with these numbers that are pending, in order or aside."""
    column = deliveries.c
    names = select(column.seq, column.id, column.event_id, column.event_type).where(
        column.seq.in_(seqs),
        # Concatenation keeps planners from going through all that is pending: there may be millions.
        column.status.concat("").in_(PENDING_WORDS),
        column.webhook_id.concat("") == webhook_id,
    )
    pending = connection.execute(names.order_by(column.seq).with_for_update()).all()
    if pending:
        found = [row.seq for row in pending]
        connection.execute(update(deliveries).where(column.seq.in_(found)).values(**ended(reason, now)))
        forget_aside(connection, found)
        count_cancelled(connection, {(webhook_id, now): len(pending)})
    cancelled = tuple(CancelledDelivery(row.id, row.event_id, row.event_type) for row in pending)
    return Cancelled(len(cancelled), cancelled)


def ended(reason: CancelReason, now: int) -> dict[str, Any]:
    """Return what becomes of a delivery that is cancelled, by column."""
    return {
        "status": DeliveryStatus.CANCELLED,
        "cancel_reason": reason,
        "completed_at": now,
        "next_attempt_at": None,
    }


def cancel_for_events(
    connection: Connection, commands: Sequence[CancelForEvent], _sequences: Sequences
) -> list[Cancelled]:
    """Cancel deliveries of events that are over."""
    return [_cancel_for_event(connection, command) for command in commands]


def _cancel_for_event(connection: Connection, command: CancelForEvent) -> Cancelled:
    these = [seq for seq in command.seqs if seq not in command.in_flight_seqs]
    cancelled = cancel_named(connection, command.webhook.id, these, reason=command.reason, now=command.now)
    forget(connection, these)
    return cancelled
