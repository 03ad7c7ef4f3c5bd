"""Writes: webhooks, and the quota of webhooks per team."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, update

from daemon.domain.errors import TooManyWebhooks
from daemon.store.commands import Cancelled, CreateWebhook, SaveWebhook
from daemon.store.rows import webhook_row
from daemon.store.schema import teams, webhooks
from daemon.store.sequences import Sequences
from daemon.store.writes.cancelling import cancel_pending


def create_webhooks(
    connection: Connection, commands: Sequence[CreateWebhook], _sequences: Sequences
) -> list[Exception | None]:
    """Insert new webhooks, up to each team's quota: TooManyWebhooks beyond it."""
    return [_create_webhook(connection, command) for command in commands]


def _create_webhook(connection: Connection, command: CreateWebhook) -> Exception | None:
    team_id = command.webhook.team_id
    quota = None if command.webhook.live else _quota_of(connection, team_id, command.default_limit)
    if quota is not None and _has_webhooks(connection, team_id, quota):
        return TooManyWebhooks(quota)
    connection.execute(insert(webhooks), [webhook_row(command.webhook)])
    return None


def _quota_of(connection: Connection, team_id: str, default: int | None) -> int | None:
    """Return how many webhooks the team may have; its own limit overrides the default, and None is no limit."""
    # Locked: two nodes may register a webhook of the team at once.
    own_limit = connection.execute(select(teams.c.max_webhooks).where(teams.c.id == team_id).with_for_update()).scalar()
    return default if own_limit is None else own_limit


def _has_webhooks(connection: Connection, team_id: str, count: int) -> bool:
    # Counts no further than `count`: a team may have many more from before the quota.
    of_team = (
        select(webhooks.c.seq)
        .where(webhooks.c.team_id == team_id, webhooks.c.deleted_at.is_(None), ~webhooks.c.live)
        .limit(count)
    )
    return bool(connection.execute(select(func.count()).select_from(of_team.subquery())).scalar_one() >= count)


def save_webhooks(connection: Connection, commands: Sequence[SaveWebhook], _sequences: Sequences) -> list[Cancelled]:
    """Replace webhooks, and cancel the deliveries they should no longer get."""
    return [_save_webhook(connection, command) for command in commands]


def _save_webhook(connection: Connection, command: SaveWebhook) -> Cancelled:
    row = webhook_row(command.webhook)
    connection.execute(update(webhooks).where(webhooks.c.id == command.webhook.id).values(**row))
    if command.withdraw is None:
        return Cancelled()
    return cancel_pending(
        connection, command.webhook.id, reason=command.withdraw, now=command.now, but_seqs=command.in_flight_seqs
    )
