"""Writes: teams, API keys, webhooks."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from daemon.errors import AlreadyExists
from daemon.model import Team
from daemon.store.cancelling import cancel_pending
from daemon.store.commands import (
    AddKey,
    Cancelled,
    CancelPending,
    CreateTeam,
    CreateWebhook,
    RevokeKey,
    SaveTeam,
    SaveWebhook,
)
from daemon.store.rows import team, team_row, to_json, webhook_row
from daemon.store.schema import api_keys, teams, webhooks
from daemon.store.sequences import Sequences


def create_teams(
    connection: Connection, commands: Sequence[CreateTeam], _sequences: Sequences
) -> list[Exception | None]:
    """Keep new teams."""
    return [_create_team(connection, command) for command in commands]


def _create_team(connection: Connection, command: CreateTeam) -> Exception | None:
    try:
        connection.execute(insert(teams).values(**team_row(command.team), balance=0))
    except IntegrityError:
        return AlreadyExists(f"the team {command.team.id} exists already: choose another id, or leave it out")
    return None


def save_teams(connection: Connection, commands: Sequence[SaveTeam], _sequences: Sequences) -> list[Team | None]:
    """Change teams."""
    return [_save_team(connection, command) for command in commands]


def _save_team(connection: Connection, command: SaveTeam) -> Team | None:
    this = teams.c.id == command.team_id
    changes = {
        "name": command.name,
        "notification_emails": None if command.notification_emails is None else to_json(command.notification_emails),
    }
    given = {column: value for column, value in changes.items() if value is not None}
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
    """Revoke API keys; one that is revoked already keeps its time."""
    for command in commands:
        still_valid = (api_keys.c.id == command.key_id) & api_keys.c.revoked_at.is_(None)
        connection.execute(update(api_keys).where(still_valid).values(revoked_at=command.now))
    return [None] * len(commands)


def create_webhooks(connection: Connection, commands: Sequence[CreateWebhook], _sequences: Sequences) -> list[None]:
    """Keep new webhooks."""
    connection.execute(insert(webhooks), [webhook_row(command.webhook) for command in commands])
    return [None] * len(commands)


def save_webhooks(connection: Connection, commands: Sequence[SaveWebhook], _sequences: Sequences) -> list[Cancelled]:
    """Replace webhooks, and cancel what they shall not get any more."""
    return [_save_webhook(connection, command) for command in commands]


def _save_webhook(connection: Connection, command: SaveWebhook) -> Cancelled:
    row = webhook_row(command.webhook)
    connection.execute(update(webhooks).where(webhooks.c.id == command.webhook.id).values(**row))
    if command.withdraw is None:
        return Cancelled()
    return cancel_pending(connection, command.webhook.id, command.withdraw, command.now, command.in_flight_seq)


def cancel_all_pending(
    connection: Connection, commands: Sequence[CancelPending], _sequences: Sequences
) -> list[Cancelled]:
    """Cancel the pending deliveries of webhooks that get none any more."""
    return [cancel_pending(connection, command.webhook_id, command.reason, command.now) for command in commands]
