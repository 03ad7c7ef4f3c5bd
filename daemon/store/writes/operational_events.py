"""Writes: what operational webhooks are to be told, in the transaction that causes it.

Nothing is kept for those who are not told: a team without operational webhooks costs one look at an index.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, bindparam, delete, insert, select

from daemon.domain.clock import rfc_3339
from daemon.domain.event_types import WILDCARD
from daemon.domain.operations import OPERATORS_TEAM, About, OperationalType
from daemon.store.commands import OperationalEventSubmitted, RecordAttempt
from daemon.store.rows import texts, to_json
from daemon.store.schema import operational_events, webhooks
from daemon.store.sequences import Sequences

# Types of operational events that are asked for, by team.
_Audience = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class News:
    """What happened to a webhook or the credits of a team at `now`; `cause` is the id of what caused it."""

    type: OperationalType
    team_id: str
    cause: str
    now: int
    webhook_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def tell_of_webhook(connection: Connection, command: RecordAttempt) -> bool:
    """Keep this attempt's news for the operational webhooks of its team and of the operator; return whether any asks.

    A webhook of which it waits to be told that it is failing is not told of once more.
    """
    if command.news is None:
        return False
    news = News(
        command.news, command.team_id, cause=command.delivery_id, now=command.now, webhook_id=command.webhook_id
    )
    asking = _asking(news, _audience(connection, [news]))
    if asking and news.type is OperationalType.WEBHOOK_FAILING:
        asking = [team_id for team_id in asking if team_id not in _waiting_for(connection, news)]
    if not asking:
        return False
    told = replace(news, facts=_facts(connection, command))
    connection.execute(insert(operational_events), [_row(told, team_id) for team_id in asking])
    return True


def tell_of_credits(connection: Connection, news: Sequence[News]) -> Collection[str]:
    """Keep what happened to teams' credits for the operational webhooks that ask for it; return the causes of that."""
    audience = _audience(connection, news)
    asked = [(one, team_id) for one in news for team_id in _asking(one, audience)]
    if asked:
        connection.execute(insert(operational_events), [_row(one, team_id) for one, team_id in asked])
    return {one.cause for one, _ in asked}


def forget_submitted(
    connection: Connection, commands: Sequence[OperationalEventSubmitted], _sequences: Sequences
) -> list[None]:
    """Take operational events out of the outbox."""
    submitted = operational_events.c.id.in_([command.event_id for command in commands])
    connection.execute(delete(operational_events).where(submitted))
    return [None] * len(commands)


AUDIENCE = select(webhooks.c.team_id, webhooks.c.events).where(
    webhooks.c.about == About.OPERATIONS,
    webhooks.c.team_id.in_(bindparam("team_ids", expanding=True)),
    webhooks.c.active,
    webhooks.c.deleted_at.is_(None),
)


def _audience(connection: Connection, news: Sequence[News]) -> _Audience:
    team_ids = sorted({OPERATORS_TEAM, *(one.team_id for one in news)})
    asked: dict[str, set[str]] = {}
    for row in connection.execute(AUDIENCE, {"team_ids": team_ids}):
        asked.setdefault(row.team_id, set()).update(texts(row.events))
    return asked


def _asking(news: News, audience: _Audience) -> list[str]:
    """Return the teams whose operational webhooks ask for it: its own, the operator's."""
    types = {team_id: audience.get(team_id, ()) for team_id in (news.team_id, OPERATORS_TEAM)}
    return [team_id for team_id, asked in types.items() if WILDCARD in asked or news.type in asked]


def _waiting_for(connection: Connection, news: News) -> Collection[str]:
    """Return the teams for which news of this type about this webhook waits."""
    found = connection.execute(WAITING, {"webhook_id": news.webhook_id, "type": news.type})
    return set(found.scalars())


WAITING = select(operational_events.c.team_id).where(
    operational_events.c.webhook_id == bindparam("webhook_id"), operational_events.c.type == bindparam("type")
)


def _facts(connection: Connection, command: RecordAttempt) -> Mapping[str, Any]:
    """Return what is told of the webhook: of its URL the host alone, since the rest may hold a receiver's secret."""
    row = connection.execute(select(webhooks.c.name, webhooks.c.url).where(webhooks.c.id == command.webhook_id)).one()
    facts = {"webhook": {"id": command.webhook_id, "name": row.name, "host": urlsplit(row.url).hostname or ""}}
    if command.recovered_from is not None:
        return {**facts, "disabledAt": rfc_3339(command.recovered_from)}
    outcome = command.attempt.outcome
    failure = {
        "deliveryId": command.delivery_id,
        "outcome": outcome.kind,
        "status": outcome.status,
        "error": outcome.error,
        "at": rfc_3339(command.now),
    }
    reason = {"reason": command.verdict.disabled_reason} if command.verdict.disable else {}
    return {**facts, **reason, "consecutiveFailures": command.verdict.consecutive_failures, "lastFailure": failure}


def _row(news: News, team_id: str) -> dict[str, Any]:
    copy = "" if team_id == news.team_id else ".operator"
    return {
        "id": f"{news.type}.{news.cause}{copy}",
        "team_id": team_id,
        "type": news.type,
        "about_team_id": news.team_id,
        "webhook_id": news.webhook_id,
        "facts": to_json(news.facts),
        "created_at": news.now,
    }
