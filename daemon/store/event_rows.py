"""Rows of events to values (see `daemon.store.rows`)."""

from typing import Any

from sqlalchemy import Row

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.model import Event, EventSummary
from daemon.store.rows import check_row, right


def event(row: Row[Any]) -> Event:
    """Return the Event of a row of `events`."""
    check_row("events", row)
    return Event(
        id=row.id,
        team_id=row.team_id,
        type=row.type,
        timestamp=row.timestamp,
        body=row.body,
        accepted_at=row.accepted_at,
        test=row.test,
        traceparent=row.traceparent,
        key_id=row.key_id,
        terms=_terms(row),
        erased_at=row.erased_at,
    )


def event_summary(row: Row[*tuple[Any, ...]]) -> EventSummary:
    """Return the EventSummary of a row with its columns, and its body's size, of `events`."""
    return EventSummary(
        seq=row.seq,
        id=right("events", "id", row.id),
        team_id=right("events", "team_id", row.team_id),
        type=right("events", "type", row.type),
        timestamp=right("events", "timestamp", row.timestamp),
        size=row.size,
        accepted_at=right("events", "accepted_at", row.accepted_at),
        test=right("events", "test", row.test),
        key_id=right("events", "key_id", row.key_id),
        terms=_terms(row),
        erased_at=right("events", "erased_at", row.erased_at),
    )


def _terms(row: Row[*tuple[Any, ...]]) -> DeliveryTerms | None:
    """Return the terms of a row with their columns of `events`."""
    deliver_at = right("events", "deliver_at", row.deliver_at)
    expires_at, low = right("events", "expires_at", row.expires_at), right("events", "low", row.low)
    terms = DeliveryTerms(deliver_at=deliver_at, expires_at=expires_at, low=bool(low))
    return None if terms == _AT_ONCE else terms


_AT_ONCE = DeliveryTerms()
