"""Rows of `operational_events` to values."""

from typing import Any

import orjson
from sqlalchemy import Row

from daemon.domain.operational_events import OperationalEvent
from daemon.domain.operations import OperationalType
from daemon.store.rows import check_row


def operational_event(row: Row[Any]) -> OperationalEvent:
    """Return the OperationalEvent of a row of `operational_events`, followed by the name of the team it is about."""
    check_row("operational_events", row)
    return OperationalEvent(
        id=row.id,
        team_id=row.team_id,
        type=OperationalType(row.type),
        about_team_id=row.about_team_id,
        webhook_id=row.webhook_id,
        facts=orjson.loads(row.facts),
        created_at=row.created_at,
        about_team_name=row.team_name or row.about_team_id,
    )
