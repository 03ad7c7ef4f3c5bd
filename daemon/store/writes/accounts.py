"""Writes: teams, API keys, webhooks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from daemon.domain.errors import AlreadyExists, TooManyWebhooks
from daemon.domain.model import Team
from daemon.store.bulk import InsertRows, execute_rows
from daemon.store.commands import (
    AddKey,
    Cancelled,
    CancelPending,
    CreateTeam,
    CreateWebhook,
    EndSession,
    RevokeKey,
    SaveTeam,
    SaveWebhook,
)
from daemon.store.rows import team, team_row, to_json, webhook_row
from daemon.store.schema import api_keys, ended_sessions, teams, webhooks
from daemon.store.sequences import Sequences
from daemon.store.writes.cancelling import cancel_pending

# More than can arrive in between: each ended session adds one.
_FORGOTTEN_AT_ONCE = 100


def create_teams(
    connection: Connection, commands: Sequence[CreateTeam], _sequences: Sequences
) -> list[Exception | None]:
    """Keep new teams."""
    return [_create_team(connection, command) for command in commands]


def _create_team(connection: Connection, command: CreateTeam) -> Exception | None:
    row = {**team_row(command.team), "balance": 0}
    if execute_rows(connection, _INSERT_TEAM, [tuple(row[column] for column in _TEAM_COLUMNS)]):
        return None
    return AlreadyExists(f"the team {command.team.id} already exists: choose another id, or leave it out")


_TEAM_COLUMNS = ("id", "name", "notification_emails", "balance", "created_at", "max_webhooks")
# An error would end the transaction for everybody on some engines.
_INSERT_TEAM = InsertRows(teams, _TEAM_COLUMNS, skip_existing=True)


def save_teams(connection: Connection, commands: Sequence[SaveTeam], _sequences: Sequences) -> list[Team | None]:
    """Change teams."""
    return [_save_team(connection, command) for command in commands]


def _save_team(connection: Connection, command: SaveTeam) -> Team | None:
    this = teams.c.id == command.team_id
    change = command.change
    emails = None if change.notification_emails is None else to_json(change.notification_emails)
    changes = {"name": change.name, "notification_emails": emails, "max_webhooks": change.max_webhooks}
    given: dict[str, Any] = {column: value for column, value in changes.items() if value is not None}
    if change.default_max_webhooks:
        given["max_webhooks"] = None
    if given:
        connection.execute(update(teams).where(this).values(**given))
    row = connection.execute(select(teams).where(this)).first()
    return None if row is None else team(row)


def add_keys(connection: Connection, commands: Sequence[AddKey], _sequences: Sequences) -> list[None]:
    """Keep new API keys."""
    rows = [
        {
            "id": command.key.id,
            "team_id": command.key.team_id,
            "name": command.key.name,
            "digest": command.digest,
            "created_at": command.key.created_at,
        }
        for command in commands
    ]
    connection.execute(insert(api_keys), rows)
    return [None] * len(commands)


def revoke_keys(connection: Connection, commands: Sequence[RevokeKey], _sequences: Sequences) -> list[None]:
    """Revoke API keys; one already revoked keeps its revocation time."""
    for command in commands:
        still_valid = (api_keys.c.id == command.key_id) & api_keys.c.revoked_at.is_(None)
        connection.execute(update(api_keys).where(still_valid).values(revoked_at=command.now))
    return [None] * len(commands)


def end_sessions(connection: Connection, commands: Sequence[EndSession], _sequences: Sequences) -> list[None]:
    """Record which sessions have ended, and delete those that have expired, a bounded number each time."""
    for command in commands:
        over = select(ended_sessions.c.id).where(ended_sessions.c.expires_at <= command.now)
        oldest = over.order_by(ended_sessions.c.expires_at).limit(_FORGOTTEN_AT_ONCE)
        connection.execute(delete(ended_sessions).where(ended_sessions.c.id.in_(oldest)))
        gone = ended_sessions.c.id.in_([command.session_id, command.displaced])
        connection.execute(delete(ended_sessions).where(gone))
        row = {"id": command.session_id, "key_id": command.key_id, "expires_at": command.expires_at}
        connection.execute(insert(ended_sessions), [row])
    return [None] * len(commands)


def create_webhooks(
    connection: Connection, commands: Sequence[CreateWebhook], _sequences: Sequences
) -> list[Exception | None]:
    """Keep new webhooks, as many as their teams may have."""
    return [_create_webhook(connection, command) for command in commands]


def _create_webhook(connection: Connection, command: CreateWebhook) -> Exception | None:
    team_id = command.webhook.team_id
    own_limit = connection.execute(select(teams.c.max_webhooks).where(teams.c.id == team_id)).scalar()
    limit = command.default_limit if own_limit is None else own_limit
    if limit is not None and _has_webhooks(connection, team_id, limit):
        return TooManyWebhooks(limit)
    connection.execute(insert(webhooks), [webhook_row(command.webhook)])
    return None


def _has_webhooks(connection: Connection, team_id: str, count: int) -> bool:
    # Counting stops there: a team may have many more from before the limit.
    those = select(webhooks.c.seq).where(webhooks.c.team_id == team_id, webhooks.c.deleted_at.is_(None)).limit(count)
    return bool(connection.execute(select(func.count()).select_from(those.subquery())).scalar_one() >= count)


def save_webhooks(connection: Connection, commands: Sequence[SaveWebhook], _sequences: Sequences) -> list[Cancelled]:
    """Replace webhooks, and cancel the deliveries they should no longer get."""
    return [_save_webhook(connection, command) for command in commands]


def _save_webhook(connection: Connection, command: SaveWebhook) -> Cancelled:
    row = webhook_row(command.webhook)
    connection.execute(update(webhooks).where(webhooks.c.id == command.webhook.id).values(**row))
    if command.withdraw is None:
        return Cancelled()
    return cancel_pending(
        connection, command.webhook.id, reason=command.withdraw, now=command.now, but_seq=command.in_flight_seq
    )


def cancel_all_pending(
    connection: Connection, commands: Sequence[CancelPending], _sequences: Sequences
) -> list[Cancelled]:
    """Cancel the pending deliveries of webhooks that get none any more."""
    return [
        cancel_pending(connection, command.webhook_id, reason=command.reason, now=command.now) for command in commands
    ]
