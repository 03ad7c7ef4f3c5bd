"""Writes: the audit trail. An entry is kept in the transaction of its change, with what that made of its subject."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Table, delete, insert, select

from daemon.domain.audit import AuditEntry
from daemon.domain.clock import rfc_3339
from daemon.store.commands import Audited, KeepEntry
from daemon.store.rows import to_json
from daemon.store.schema import audit_entries, teams, webhooks
from daemon.store.sequences import Sequences

Apply = Callable[[Connection, Any], Any]

# The columns whose change is shown, by the names of the API; a secret is sealed: it shows only that it was changed.
_SHOWN: Mapping[str, tuple[Table, Mapping[str, str]]] = {
    "team": (
        teams,
        {
            "name": "name",
            "notification_emails": "notificationEmails",
            "max_webhooks": "maxWebhooks",
            "low_credits": "lowCredits",
        },
    ),
    "webhook": (
        webhooks,
        {
            "name": "name",
            "url": "url",
            "events": "events",
            "active": "active",
            "secret": "secret",
            "paused_at": "pausedAt",
            "resumes_at": "resumesAt",
            "about": "about",
            "body_format": "bodyFormat",
        },
    ),
}
_TIMES = frozenset({"pausedAt", "resumesAt"})
_SECRET = "secret"  # noqa: S105  # the name of a field
# No team fills the disk with its changes: so many of the newest stay, and up to `_PRUNE_EVERY` more.
KEPT_PER_TEAM = 10_000
_PRUNE_EVERY = 64


def execute_audited(apply: Apply, connection: Connection, commands: Sequence[Audited[Any]]) -> list[Any]:
    """Run each command by `apply`, and keep its entry if it did anything."""
    return [_execute(apply, connection, command) for command in commands]


def keep_entries(connection: Connection, commands: Sequence[KeepEntry], _sequences: Sequences) -> list[None]:
    """Keep entries."""
    for command in commands:
        _keep(connection, command.entry, command.entry.changes)
    return [None] * len(commands)


def _execute(apply: Apply, connection: Connection, audited: Audited[Any]) -> Any:
    before = _subject(connection, audited.entry)
    answer = apply(connection, audited.command)
    if not isinstance(answer, Exception):
        changes = _difference(before, _subject(connection, audited.entry))
        _keep(connection, audited.entry, {**audited.entry.changes, **changes})
    return answer


def _subject(connection: Connection, entry: AuditEntry) -> Mapping[str, Any]:
    """Return what is shown of the subject, as it is now, by the names of the API; nothing for one of another kind."""
    table, names = _SHOWN.get(entry.action.partition(".")[0], (None, {}))
    if table is None:
        return {}
    row = connection.execute(select(*(table.c[name] for name in names)).where(table.c.id == entry.subject_id)).first()
    return {} if row is None else {shown: getattr(row, name) for name, shown in names.items()}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {name: _shown(name, *values) for name, values in both.items() if values[0] != values[1]}


def _shown(name: str, old: Any, new: Any) -> dict[str, Any]:
    if name == _SECRET:
        old, new = old and "set", new and ("set" if old is None else "replaced")
    if name in _TIMES:
        old, new = old and rfc_3339(old), new and rfc_3339(new)
    return {"from": _readable(old), "to": _readable(new)}


def _readable(value: Any) -> Any:
    """Return lists, which columns hold as JSON, as lists."""
    return orjson.loads(value) if isinstance(value, str) and value.startswith("[") else value


def _keep(connection: Connection, entry: AuditEntry, changes: Mapping[str, Any]) -> None:
    row = {
        "id": entry.id,
        "team_id": entry.team_id,
        "created_at": entry.created_at,
        "key_id": entry.by.key_id,
        "key_name": entry.by.key_name,
        "address": entry.by.address,
        "action": entry.action,
        "subject_id": entry.subject_id,
        "changes": to_json(changes),
    }
    [seq] = connection.execute(insert(audit_entries).values(row)).inserted_primary_key or [0]
    if seq % _PRUNE_EVERY == 0:
        _prune(connection, entry.team_id)


def _prune(connection: Connection, team_id: str) -> None:
    of_team = select(audit_entries.c.seq).where(audit_entries.c.team_id == team_id)
    oldest_kept = of_team.order_by(audit_entries.c.seq.desc()).offset(KEPT_PER_TEAM - 1).limit(1).scalar_subquery()
    over = audit_entries.c.team_id == team_id, audit_entries.c.seq < oldest_kept
    connection.execute(delete(audit_entries).where(*over))
