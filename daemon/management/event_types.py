"""Event types, as operators add, change and remove them while the daemon runs (contract "Event types")."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from structlog.typing import FilteringBoundLogger

from daemon.crypto.idempotency import Once
from daemon.domain.audit import THE_DAEMON, Actor
from daemon.domain.clock import Clock
from daemon.domain.errors import EventTypeExists, EventTypeFixed, EventTypeInUse
from daemon.domain.event_types import Catalogue, EventType, EventTypeEdit, KnownTypes, Source, known_types
from daemon.domain.operations import OPERATIONAL_TYPES
from daemon.management.kept_answers import KeptAnswers
from daemon.schemas.validator import Validator
from daemon.store.event_type_commands import AddEventType, AddEventTypeVersion, RemoveEventType, SaveEventType
from daemon.store.reads import event_type_reads
from daemon.store.reads.reader import Reader
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_EVENTS_AT_ONCE = 10_000
_MOST_PAGES = 100


class EventTypes:
    """`known` are those that there are now: another value after each change, whichever node made it."""

    def __init__(
        self,
        fixed: Catalogue,
        added: Sequence[EventType],
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        kept_answers: KeptAnswers,
        validator: Validator,
    ) -> None:
        self.known: KnownTypes = known_types(fixed, {event_type.name: event_type for event_type in added})
        self.validator = validator
        self._reader: Reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log: FilteringBoundLogger = telemetry.log
        self._kept = kept_answers.kept

    def apply(self, changed: Mapping[str, EventType | None]) -> None:
        """Take note of event types as they are in the database, None for one that was removed."""
        added = {**self.known.added, **changed}
        self.known = known_types(self.known.fixed, {name: one for name, one in added.items() if one is not None})

    async def add(
        self, event_type: EventType, once: Once[EventType] | None = None, by: Actor = THE_DAEMON
    ) -> EventType:
        """Add an event type, with its schema as version 1. Raises EventTypeExists, TooManyEventTypes.

        Whether its example meets its schema, `validator` was asked before.
        """
        if event_type.name in self.known.every or event_type.name in OPERATIONAL_TYPES:
            raise EventTypeExists("there is an event type with this name: choose another one, or change it")
        now = self._now_ms()
        version = None if event_type.schema is None else 1
        made = replace(event_type, source=Source.API, version=version, created_at=now, updated_at=now)
        add = self._kept(AddEventType(made, now), once, lambda _: made)
        await self._writer.execute(add, lambda _: self.apply({made.name: made}))
        self._note("event_type_added", made.name, made.version, by=by)
        return made

    async def change(self, name: str, edit: EventTypeEdit, by: Actor = THE_DAEMON) -> EventType | None:
        """Change an event type; None if there is none with this name. Raises EventTypeFixed."""
        self._require_added(name)
        saved = await self._writer.execute(SaveEventType(name, edit, self._now_ms()), self._saved)
        if saved is not None:
            self._note("event_type_changed", name, saved.version, by=by)
        return saved

    async def add_version(
        self,
        name: str,
        schema: bytes,
        *,
        example: Mapping[str, Any] | None,
        after: int | None,
        once: Once[EventType] | None = None,
        by: Actor = THE_DAEMON,
    ) -> EventType | None:
        """Give an event type another schema; None if there is none with this name.

        `after` is the version that was seen before. Raises EventTypeFixed, VersionConflict, TooManyVersions.
        """
        self._require_added(name)
        changed = None if example is None else orjson.dumps(example)
        command = AddEventTypeVersion(name, schema, example=changed, after=after, now=self._now_ms())
        saved = await self._writer.execute(self._kept(command, once, lambda saved: saved), self._saved)
        if saved is not None:
            self._note("event_type_changed", name, saved.version, by=by)
        return saved

    async def remove(self, name: str, by: Actor = THE_DAEMON) -> bool:
        """Remove an event type that nobody uses; return whether there was one.

        Raises EventTypeFixed, EventTypeInUse.
        """
        self._require_added(name)
        if (event_type := self.known.added.get(name)) is None:
            return False
        await self._require_unused(event_type)
        removed = await self._writer.execute(RemoveEventType(name), lambda _: self.apply({name: None}))
        self._log.info("event_type_removed", eventType=name, keyId=by.key_id)
        return removed

    def _note(self, what: str, name: str, version: int | None, by: Actor) -> None:
        self._log.info(what, eventType=name, schemaVersion=version, keyId=by.key_id)

    def _saved(self, saved: EventType | None) -> None:
        if saved is not None:
            self.apply({saved.name: saved})

    def _require_added(self, name: str) -> None:
        if name in self.known.fixed or name in OPERATIONAL_TYPES:
            raise EventTypeFixed("this event type is built in, or of the settings, and cannot be changed here")

    async def _require_unused(self, event_type: EventType) -> None:
        """Raises EventTypeInUse. Who begins to use it meanwhile has a type that is gone: nothing breaks by that."""
        quoted = orjson.dumps(event_type.name).decode()
        naming = [
            webhook_id
            async for webhook_id, events in self._reader.each(event_type_reads.subscribers)
            if quoted in events
        ]
        if naming:
            raise EventTypeInUse(f"the webhook {naming[0]} names it: archive the event type instead")
        before: int | None = None
        for _ in range(_MOST_PAGES):
            types, before, oldest = await self._reader.fetch(event_type_reads.types_before, before, _EVENTS_AT_ONCE)
            if event_type.name in types:
                raise EventTypeInUse("there are events of it: archive the event type instead")
            if before is None or oldest < (event_type.created_at or 0):
                return
        raise EventTypeInUse("there are too many events to tell whether some are of it: archive the event type instead")
