"""Erasing an event, as people ask for it (contract "Erasing")."""

from collections.abc import Callable

from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.clock import Clock
from daemon.domain.model import Event
from daemon.management.audit import Audit
from daemon.store.erasure_commands import EraseEvent
from daemon.store.reads import api_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry


class Erasing:
    """Empties events. `wake` has what is left of it done."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, audit: Audit, wake: Callable[[], None]
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._changes = telemetry.changes
        self._audited = audit.audited
        self._wake = wake

    async def erase(self, event: Event, by: Actor = THE_DAEMON) -> Event:
        """Erase an event, and return it as it is then; its body is gone, the answers of its receivers follow.

        One that was erased before stays as it is.
        """
        erase = EraseEvent(event.id, event.team_id, self._now_ms())
        audited = self._audited(erase, by, AuditAction.EVENT_ERASED, team_id=event.team_id, subject_id=event.id)
        if await self._writer.execute(audited, lambda _: self._wake()):
            self._changes.publish(event.team_id, event.id)
            self._log.info("event_erased", eventId=event.id, teamId=event.team_id)
        return await self._reader.fetch(api_reads.get_event, event.id) or event
