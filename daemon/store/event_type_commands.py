"""Commands about event types that are added while the daemon runs, and what they are answered."""

from daemon.domain.event_types import EventType, EventTypeEdit
from daemon.store.commands import Command


class AddEventType(Command[None], frozen=True):
    """Keep a new event type, with its schema as version 1 if it has one. Raises EventTypeExists, TooManyEventTypes."""

    event_type: EventType
    now: int


class SaveEventType(Command[EventType | None], frozen=True):
    """Apply `edit` to an event type. Answers it, None if there is none with this name."""

    name: str
    edit: EventTypeEdit
    now: int


class AddEventTypeVersion(Command[EventType | None], frozen=True):
    """Give an event type another schema, and an example if it is given. `after` is the newest version that was seen.

    Answers the event type, None if there is none with this name. Raises VersionConflict, TooManyVersions.
    """

    name: str
    schema: bytes
    example: bytes | None
    after: int | None
    now: int


class RemoveEventType(Command[bool], frozen=True):
    """Remove an event type with all of its versions. Answers whether there was one."""

    name: str
