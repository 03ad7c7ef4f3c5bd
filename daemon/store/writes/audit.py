"""Writes: the audit trail. An entry is kept in the transaction of its change, with what that made of its subject."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, case, delete, insert, select

from daemon.domain.audit import AuditEntry
from daemon.domain.clock import rfc_3339
from daemon.domain.webhook_options import told_options
from daemon.store.address_commands import RemoveAddress
from daemon.store.commands import (
    Audited,
    Command,
    KeepEntry,
    Resend,
    RevokeKey,
    RevokePortalLink,
    SaveTeam,
    UsePortalLink,
)
from daemon.store.erasure_commands import EraseEvent
from daemon.store.job_commands import EndBulkJob
from daemon.store.rows import to_json
from daemon.store.schema import audit_entries, teams, webhooks
from daemon.store.sequences import Sequences

# Each option is shown by its own name.
_OPTIONS = "options"

Apply = Callable[[Connection, Any], Any]

# The columns whose change is shown, by the names of the API, after the id of their row. A secret looks different each
# time that it is sealed: here is only whether there is one. That another took its place is told by who put it there.
_SHOWN: Mapping[str, tuple[ColumnElement[str], Mapping[str, ColumnElement[Any]]]] = {
    "team": (
        teams.c.id,
        {
            "name": teams.c.name,
            "notificationEmails": teams.c.notification_emails,
            "maxWebhooks": teams.c.max_webhooks,
            "lowCredits": teams.c.low_credits,
            "timeZone": teams.c.time_zone,
        },
    ),
    "webhook": (
        webhooks.c.id,
        {
            "name": webhooks.c.name,
            "url": webhooks.c.url,
            "events": webhooks.c.events,
            "active": webhooks.c.active,
            "secret": case((webhooks.c.secret.is_not(None), "set")),
            "pausedAt": webhooks.c.paused_at,
            "resumesAt": webhooks.c.resumes_at,
            "about": webhooks.c.about,
            "bodyFormat": webhooks.c.body_format,
            _OPTIONS: webhooks.c.options,
        },
    ),
}
# How what is not shown as it is stored is shown.
_READABLE: Mapping[str, Callable[[Any], Any]] = {
    "notificationEmails": orjson.loads,
    "events": orjson.loads,
    "pausedAt": rfc_3339,
    "resumesAt": rfc_3339,
}
# They answer None or False if there was nothing to do, or nothing that is to be told.
_MAY_DO_NOTHING: frozenset[type[Command[Any]]] = frozenset(
    {SaveTeam, RemoveAddress, Resend, EraseEvent, EndBulkJob, RevokeKey, UsePortalLink, RevokePortalLink}
)
# No team fills the disk with its changes: so many of the newest stay.
KEPT_PER_TEAM = 10_000
# So many more are deleted than came: there may have been too many before.
_OVER_AT_ONCE = 100


def execute_audited(apply: Apply, connection: Connection, commands: Sequence[Audited[Any]]) -> list[Any]:
    """Run each command by `apply`, and keep its entry if it did anything."""
    done = [_execute(apply, connection, command) for command in commands]
    _prune(connection, [entry for _, entry in done if entry is not None])
    return [answer for answer, _ in done]


def keep_entries(connection: Connection, commands: Sequence[KeepEntry], _sequences: Sequences) -> list[None]:
    """Keep entries."""
    for command in commands:
        _keep(connection, command.entry, command.entry.changes)
    _prune(connection, [command.entry for command in commands])
    return [None] * len(commands)


def _execute(apply: Apply, connection: Connection, audited: Audited[Any]) -> tuple[Any, AuditEntry | None]:
    """Return the command's answer, and the entry that was kept, if one was."""
    before = _subject(connection, audited.entry)
    answer = apply(connection, audited.command)
    if isinstance(answer, Exception) or (type(audited.command) in _MAY_DO_NOTHING and not answer):
        return answer, None
    changes = _difference(before, _subject(connection, audited.entry))
    _keep(connection, audited.entry, {**audited.entry.changes, **changes})
    return answer, audited.entry


def _subject(connection: Connection, entry: AuditEntry) -> Mapping[str, Any]:
    """Return what is shown of the subject, as it is now, by the names of the API; nothing for one of another kind."""
    kind = entry.action.partition(".")[0]
    if kind not in _SHOWN:
        return {}
    its_id, shown = _SHOWN[kind]
    columns = [column.label(name) for name, column in shown.items()]
    row = connection.execute(select(*columns).where(its_id == entry.subject_id)).first()
    return {} if row is None else _each_option(row._asdict())


def _each_option(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with each option that is not as usual."""
    options = told_options(orjson.loads(shown.get(_OPTIONS) or "{}"))
    return {name: value for name, value in shown.items() if name != _OPTIONS} | options


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {
        name: {"from": _readable(name, old), "to": _readable(name, new)}
        for name, (old, new) in both.items()
        if old != new
    }


def _readable(name: str, value: Any) -> Any:
    return _READABLE[name](value) if name in _READABLE and value is not None else value


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
    connection.execute(insert(audit_entries).values(row))


def _prune(connection: Connection, came: Sequence[AuditEntry]) -> None:
    """Delete the oldest entries of the teams of these that are over, a bounded number."""
    for team_id, count in Counter(entry.team_id for entry in came).items():
        of_team = select(audit_entries.c.seq).where(audit_entries.c.team_id == team_id)
        oldest_kept = of_team.order_by(audit_entries.c.seq.desc()).offset(KEPT_PER_TEAM - 1).limit(1).scalar_subquery()
        over = of_team.where(audit_entries.c.seq < oldest_kept).order_by(audit_entries.c.seq)
        # What another node is deleting is not waited for.
        oldest = over.limit(count + _OVER_AT_ONCE).with_for_update(skip_locked=True)
        connection.execute(delete(audit_entries).where(audit_entries.c.seq.in_(oldest)))
