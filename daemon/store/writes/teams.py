"""Writes: teams."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from daemon.domain.errors import AlreadyExists
from daemon.domain.model import Team
from daemon.store.bulk import InsertRows, execute_rows
from daemon.store.commands import CreateTeam, SaveTeam
from daemon.store.rows import team, team_row, to_json
from daemon.store.schema import teams
from daemon.store.sequences import Sequences


def create_teams(
    connection: Connection, commands: Sequence[CreateTeam], _sequences: Sequences
) -> list[Exception | None]:
    """Insert new teams: AlreadyExists for an id that is taken."""
    return [_create_team(connection, command) for command in commands]


def _create_team(connection: Connection, command: CreateTeam) -> Exception | None:
    row = {**team_row(command.team), "balance": 0}
    if execute_rows(connection, _INSERT_TEAM, [tuple(row[column] for column in _TEAM_COLUMNS)]):
        return None
    return AlreadyExists(f"the team {command.team.id} already exists: choose another id, or leave it out")


_TEAM_COLUMNS = (
    "id",
    "name",
    "notification_emails",
    "balance",
    "created_at",
    "max_webhooks",
    "low_credits",
    "time_zone",
)
# On some engines an error would end the whole batch's transaction.
_INSERT_TEAM = InsertRows(teams, _TEAM_COLUMNS, skip_existing=True)


def save_teams(connection: Connection, commands: Sequence[SaveTeam], _sequences: Sequences) -> list[Team | None]:
    """Change teams."""
    return [_save_team(connection, command) for command in commands]


def _save_team(connection: Connection, command: SaveTeam) -> Team | None:
    this = teams.c.id == command.team_id
    change = command.change
    emails = None if change.notification_emails is None else to_json(change.notification_emails)
    changes = {"name": change.name, "notification_emails": emails, "max_webhooks": change.max_webhooks}
    changes |= {"low_credits": change.low_credits, "time_zone": change.time_zone}
    given: dict[str, Any] = {column: value for column, value in changes.items() if value is not None}
    if change.default_max_webhooks:
        given["max_webhooks"] = None
    if change.no_low_credits:
        given["low_credits"] = None
    if given:
        connection.execute(update(teams).where(this).values(**given))
    row = connection.execute(select(teams).where(this)).first()
    return None if row is None else team(row)
