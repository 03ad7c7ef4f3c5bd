"""Writes: event types that are added while the daemon runs, and the versions of their schemas."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from daemon.domain.errors import EventTypeExists, TooManyEventTypes, TooManyVersions, VersionConflict
from daemon.domain.event_types import MOST_TYPES, MOST_VERSIONS, EventType, EventTypeEdit
from daemon.store.bulk import InsertRows, execute_rows
from daemon.store.event_type_commands import AddEventType, AddEventTypeVersion, RemoveEventType, SaveEventType
from daemon.store.event_type_rows import find_event_type
from daemon.store.event_type_schema import event_type_versions, event_types
from daemon.store.sequences import Sequences

_COUNT = select(func.count()).where(event_types.c.name > "")  # of an index alone
_COLUMNS = tuple(column.name for column in event_types.c)
# On some engines an error would end the whole batch's transaction.
_INSERT = InsertRows(event_types, _COLUMNS, skip_existing=True)


def add_event_types(
    connection: Connection, commands: Sequence[AddEventType], _sequences: Sequences
) -> list[Exception | None]:
    """Insert new event types, each with its first version if it has a schema."""
    return [_add(connection, command) for command in commands]


def _add(connection: Connection, command: AddEventType) -> Exception | None:
    event_type, now = command.event_type, command.now
    if connection.execute(_COUNT).scalar_one() >= MOST_TYPES:
        return TooManyEventTypes(MOST_TYPES)
    version = None if event_type.schema is None else 1
    row = {
        "name": event_type.name,
        "description": event_type.description,
        "category": event_type.category,
        "example": orjson.dumps(event_type.example).decode(),
        "validates": event_type.validate,
        "version": version,
        "deprecated_at": event_type.deprecated_at,
        "archived_at": None,
        "created_at": now,
        "updated_at": now,
    }
    if not execute_rows(connection, _INSERT, [tuple(row[column] for column in _COLUMNS)]):
        return EventTypeExists("there is an event type with this name: choose another one, or change it")
    if event_type.schema is not None:
        _insert_version(connection, event_type.name, 1, schema=event_type.schema, now=now)
    return None


def save_event_types(
    connection: Connection, commands: Sequence[SaveEventType], _sequences: Sequences
) -> list[EventType | None]:
    """Change event types."""
    return [_save(connection, command) for command in commands]


def _save(connection: Connection, command: SaveEventType) -> EventType | None:
    this = event_types.c.name == command.name
    if (found := find_event_type(connection, command.name)) is None:
        return None
    changed = _changed(found, command.edit, command.now)
    if changed:
        connection.execute(update(event_types).where(this).values(**changed, updated_at=command.now))
    return find_event_type(connection, command.name)


def _changed(found: EventType, edit: EventTypeEdit, now: int) -> dict[str, Any]:
    """Return the columns that become others. What is deprecated or archived keeps the time since when it is."""
    given = {
        "description": edit.description,
        "category": edit.category,
        "example": None if edit.example is None else orjson.dumps(edit.example).decode(),
        "validates": edit.validate,
    }
    changes: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
    for column, since, wanted in (
        ("deprecated_at", found.deprecated_at, edit.deprecated),
        ("archived_at", found.archived_at, edit.archived),
    ):
        if wanted is not None and wanted is (since is None):
            changes[column] = now if wanted else None
    return changes


def add_event_type_versions(
    connection: Connection, commands: Sequence[AddEventTypeVersion], _sequences: Sequences
) -> list[EventType | Exception | None]:
    """Give event types their next schemas."""
    return [_add_version(connection, command) for command in commands]


def _add_version(connection: Connection, command: AddEventTypeVersion) -> EventType | Exception | None:
    this = event_types.c.name == command.name
    newest = connection.execute(select(event_types.c.version).where(this).with_for_update()).first()
    if newest is None:
        return None
    if newest.version != command.after:  # it was validated against what was seen
        return VersionConflict("the event type was given another version in between: look at it, and try again")
    version = (newest.version or 0) + 1
    if version > MOST_VERSIONS:
        return TooManyVersions(MOST_VERSIONS)
    changes: dict[str, Any] = {"version": version, "updated_at": command.now}
    if command.example is not None:
        changes["example"] = command.example.decode()
    connection.execute(update(event_types).where(this).values(**changes))
    _insert_version(connection, command.name, version, schema=command.schema, now=command.now)
    return find_event_type(connection, command.name)


def remove_event_types(
    connection: Connection, commands: Sequence[RemoveEventType], _sequences: Sequences
) -> list[bool]:
    """Remove event types."""
    return [_remove(connection, command.name) for command in commands]


def _remove(connection: Connection, name: str) -> bool:
    connection.execute(delete(event_type_versions).where(event_type_versions.c.name == name))
    return connection.execute(delete(event_types).where(event_types.c.name == name)).rowcount > 0


def _insert_version(connection: Connection, name: str, version: int, *, schema: bytes, now: int) -> None:
    row = {"name": name, "version": version, "schema": schema.decode(), "created_at": now}
    connection.execute(insert(event_type_versions), [row])
