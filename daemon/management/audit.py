"""Makes the entries of the audit trail (contract "Audit trail"), each to be kept with its change."""

from typing import Any, TypeVar

from daemon.domain.audit import Actor, AuditAction, AuditEntry
from daemon.domain.clock import Clock
from daemon.store.commands import Audited, Command

Answer = TypeVar("Answer")


class Audit:
    """Gives entries their id and time."""

    def __init__(self, clock: Clock) -> None:
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id

    def entry(self, by: Actor, action: AuditAction, *, team_id: str, subject_id: str, **changes: Any) -> AuditEntry:
        """Return an entry; `changes` are what the store does not see by comparing."""
        return AuditEntry(
            id=self._new_id("aud"),
            team_id=team_id,
            created_at=self._now_ms(),
            by=by,
            action=action,
            subject_id=subject_id,
            changes=changes,
        )

    def audited(
        self, command: Command[Answer], by: Actor, action: AuditAction, *, team_id: str, subject_id: str, **changes: Any
    ) -> Command[Answer]:
        """Return the command that runs this one and keeps an entry with it."""
        return Audited(command, self.entry(by, action, team_id=team_id, subject_id=subject_id, **changes))
