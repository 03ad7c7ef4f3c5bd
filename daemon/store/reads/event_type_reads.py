"""Reads: event types that were added while the daemon ran, and who uses one."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from daemon.domain.event_types import EventType, EventTypeVersion
from daemon.store.event_type_rows import EVENT_TYPES, event_type, event_type_version
from daemon.store.event_type_schema import event_type_versions, event_types
from daemon.store.reads.actor_reads import Found
from daemon.store.schema import events, webhooks


def added_types(connection: Connection, behind: str, limit: int) -> Found[EventType]:
    """Return the next event types that were added, behind this name, in the order of their names."""
    query = EVENT_TYPES.where(event_types.c.name > behind).order_by(event_types.c.name).limit(limit)
    found = [event_type(row) for row in connection.execute(query)]
    return Found(found, found[-1].name if len(found) == limit else None)


def types_named(connection: Connection, names: Collection[str]) -> list[EventType]:
    """Return those of these event types that were added."""
    return [event_type(row) for row in connection.execute(EVENT_TYPES.where(event_types.c.name.in_(names)))]


def list_versions(connection: Connection, name: str, limit: int, before: int | None) -> list[EventTypeVersion]:
    """Return the versions of an event type, the newest first, those below `before` if it is given."""
    versions = event_type_versions.c
    query = select(event_type_versions).where(versions.name == name)
    if before is not None:
        query = query.where(versions.version < before)
    return [event_type_version(row) for row in connection.execute(query.order_by(versions.version.desc()).limit(limit))]


def get_version(connection: Connection, name: str, version: int) -> EventTypeVersion | None:
    """Return a version of an event type, None if there is no such one."""
    this = event_type_versions.c.name == name, event_type_versions.c.version == version
    row = connection.execute(select(event_type_versions).where(*this)).first()
    return None if row is None else event_type_version(row)


def subscribers(connection: Connection, behind: int, limit: int) -> Found[tuple[str, str]]:
    """Return the ids and event types, as JSON, of the next webhooks after this seq that are not deleted."""
    columns = webhooks.c
    query = select(columns.seq, columns.id, columns.events).where(columns.deleted_at.is_(None), columns.seq > behind)
    found = connection.execute(query.order_by(columns.seq).limit(limit)).all()
    return Found([(row.id, row.events) for row in found], found[-1].seq if len(found) == limit else None)


def types_before(connection: Connection, before: int | None, limit: int) -> tuple[set[str], int | None, int]:
    """Return the types of the newest events below this seq, where to go on, None at the end, and the oldest's time."""
    query = select(events.c.seq, events.c.type, events.c.accepted_at)
    if before is not None:
        query = query.where(events.c.seq < before)
    found = connection.execute(query.order_by(events.c.seq.desc()).limit(limit)).all()
    types = {row.type for row in found}
    return types, found[-1].seq if len(found) == limit else None, found[-1].accepted_at if found else 0
