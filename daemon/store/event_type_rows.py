"""Rows of `event_types` and `event_type_versions` to values, and back."""

from typing import Any

import orjson
from sqlalchemy import Connection, Row, select

from daemon.domain.event_types import EventType, EventTypeVersion, Source
from daemon.store.event_type_schema import event_type_versions, event_types
from daemon.store.rows import check_row

# Each with the schema of its newest version.
EVENT_TYPES = select(event_types, event_type_versions.c.schema).outerjoin(
    event_type_versions,
    (event_type_versions.c.name == event_types.c.name) & (event_type_versions.c.version == event_types.c.version),
)


def event_type(row: Row[Any]) -> EventType:
    """Return the EventType of a row of `EVENT_TYPES`."""
    check_row("event_types", row)
    return EventType(
        row.name,
        row.description,
        category=row.category,
        example=orjson.loads(row.example),
        source=Source.API,
        schema=None if row.schema is None else row.schema.encode(),
        version=row.version,
        validate=row.validates,
        deprecated_at=row.deprecated_at,
        archived_at=row.archived_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def event_type_version(row: Row[Any]) -> EventTypeVersion:
    """Return the EventTypeVersion of a row of `event_type_versions`."""
    check_row("event_type_versions", row)
    return EventTypeVersion(row.version, row.schema.encode(), row.created_at)


def find_event_type(connection: Connection, name: str) -> EventType | None:
    """Return an event type that was added, None if there is none with this name."""
    row = connection.execute(EVENT_TYPES.where(event_types.c.name == name)).first()
    return None if row is None else event_type(row)
