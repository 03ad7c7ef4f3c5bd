"""The console's reads, besides those of the API: run them with `Reader.fetch`. Each reads a bounded number of rows."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Select, and_, bindparam, case, func, or_, select

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.mails import Mail
from daemon.domain.model import Delivery, DeliveryStatus, Webhook
from daemon.store import mail_rows, rows
from daemon.store.bulk import fetch_rows, in_one_row
from daemon.store.cells import LAST_MS
from daemon.store.reads.actor_reads import MAILS
from daemon.store.reads.conditions import IS_PENDING, is_missed
from daemon.store.reads.failures import failures_of as failures_of  # the console reads it, too
from daemon.store.reads.pagination import LOOK_AT, Choice, Page, bounded_page
from daemon.store.reads.time_blocks import next_range
from daemon.store.schema import credit_days as _days
from daemon.store.schema import deliveries, events, mails, webhooks
from daemon.store.schema import webhook_hours as _hours

_HOURS_SHOWN = 24


@dataclass(frozen=True, slots=True)
class HourCount:
    """How many deliveries of a webhook ended in the hour that began at `hour` (ms)."""

    hour: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class WebhookSummary:
    """A webhook, its hourly counts of the last 24 hours (oldest first), and its newest delivery."""

    webhook: Webhook
    hours: tuple[HourCount, ...]
    last_delivery: Delivery | None


@dataclass(frozen=True, slots=True)
class Missed:
    """How many events a webhook missed since `since` (ms); `more` if there are more events than were examined."""

    since: int
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class CreditDay:
    """What debits consumed on the UTC day that began at `day` (ms)."""

    day: int
    consumed: int


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail that waits in the outbox, and why the last attempt failed."""

    mail: Mail
    last_error: str | None


def webhook_summaries(
    connection: Connection,
    team_id: str,
    now: int,
    limit: int,
    before: int | None = None,
    active: bool | None = None,
    search: str = "",
    look_at: int = LOOK_AT,
) -> Page[WebhookSummary]:
    """Return a team's webhooks that match, newest first, without deleted ones.

    `search` matches a part of the name or the URL, ignoring the case of ASCII letters. A page examines no more than
    `look_at` webhooks: it may hold fewer than `limit`, even none, and still have a next page.
    """
    page = bounded_page(
        connection,
        _matching_webhooks(team_id, active, search),
        limit=limit,
        before=before,
        value=rows.webhook,
        look_at=look_at,
    )
    ids = [webhook.id for webhook in page.items]
    hours, last = _hours_of(connection, ids, now), _last_deliveries(connection, ids)
    summaries = (
        WebhookSummary(webhook, tuple(hours.get(webhook.id, ())), last.get(webhook.id)) for webhook in page.items
    )
    return Page(tuple(summaries), page.next_cursor, page.looked_at)


def newest_webhooks(connection: Connection, team_id: str, limit: int) -> Page[Webhook]:
    """Return a team's newest webhooks, without deleted ones; examines a bounded number."""
    choice = _matching_webhooks(team_id, active=None, search="")
    return bounded_page(connection, choice, limit=limit, before=None, value=rows.webhook, look_at=LOOK_AT)


def webhook_names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of these webhooks by id, including deleted ones."""
    found = connection.execute(select(webhooks.c.id, webhooks.c.name).where(webhooks.c.id.in_(ids)))
    return {row.id: row.name for row in found}


def count_waiting(connection: Connection, webhook_id: str, limit: int) -> int:
    """Return how many deliveries of a webhook are pending, counted up to `limit`."""
    return _count(connection, select(deliveries.c.seq).where(deliveries.c.webhook_id == webhook_id, IS_PENDING), limit)


def paused_webhooks(connection: Connection, limit: int) -> list[Webhook]:
    """Return paused webhooks of all teams, those that were paused first, at most `limit`."""
    query = select(webhooks).where(webhooks.c.paused_at > 0).order_by(webhooks.c.paused_at, webhooks.c.id)
    return [rows.webhook(row) for row in connection.execute(query.limit(limit))]


def count_webhooks(connection: Connection, team_id: str, limit: int) -> tuple[int, int]:
    """Return how many of a team's webhooks are active, and how many disabled, each counted up to `limit`."""
    of_team = select(webhooks.c.seq).where(webhooks.c.team_id == team_id, webhooks.c.deleted_at.is_(None))
    active, disabled = of_team.where(webhooks.c.active), of_team.where(~webhooks.c.active)
    return _count(connection, active, limit), _count(connection, disabled, limit)


def missed_by(connection: Connection, webhook: Webhook, limit: int = 1_000) -> Missed | None:
    """Return what recovering a webhook (`Recover`) would queue since its last success, None if it never failed.

    The time is when the event of its first delivery after the last success was accepted, or when the webhook was
    disabled if that was earlier. Examines no more than `limit` events.
    """
    times = (_first_event_after_success(connection, webhook.id), webhook.disabled_at)
    since = min((time for time in times if time is not None), default=None)
    if since is None:
        return None
    of_team = and_(
        events.c.team_id == webhook.team_id,
        events.c.seq >= next_range(connection, events.c.accepted_at, since=since).first_seq,
    )
    first = select(events.c.seq, case((is_missed(webhook, since), 1), else_=0).label("missed")).where(of_team)
    examined = first.order_by(events.c.seq).limit(limit).subquery()
    missed, last_seq = connection.execute(select(func.sum(examined.c.missed), func.max(examined.c.seq))).one()
    others = select(events.c.seq).where(of_team, events.c.seq > (last_seq or 0)).limit(1)
    return Missed(since, missed or 0, connection.execute(others).first() is not None)


def credit_days(connection: Connection, team_id: str, since: int) -> tuple[CreditDay, ...]:
    """Return the days on which a team consumed credits, oldest first, starting with the UTC day of `since`."""
    query = select(_days.c.day, _days.c.consumed).where(_days.c.team_id == team_id)
    found = connection.execute(query.where(_days.c.day.between(since - since % DAY_MS, LAST_MS)).order_by(_days.c.day))
    return tuple(CreditDay(row.day, rows.right("credit_days", "consumed", row.consumed)) for row in found)


def waiting_mails(connection: Connection, limit: int) -> list[WaitingMail]:
    """Return waiting mails, oldest first: if there are more than `limit`, those that are due first."""
    waiting = MAILS.where(mails.c.sent_at.is_(None)).order_by(mails.c.next_attempt_at).limit(limit)
    found = sorted(connection.execute(waiting), key=lambda row: row.seq)
    return [WaitingMail(mail_rows.mail(row), row.last_error) for row in found]


def _matching_webhooks(team_id: str, active: bool | None, search: str) -> Choice:
    of_team, not_deleted = webhooks.c.team_id == team_id, webhooks.c.deleted_at.is_(None)
    columns = (webhooks.c.name, webhooks.c.url)
    like = [or_(*(column.icontains(search, autoescape=True) for column in columns))] if search else []
    if active is None:
        return Choice(webhooks, [of_team], [not_deleted, *like])
    state = webhooks.c.active if active else ~webhooks.c.active
    return Choice(webhooks, [of_team, state, not_deleted], like)


def _hours_of(connection: Connection, webhook_ids: Collection[str], now: int) -> dict[str, list[HourCount]]:
    this_hour = now - now % HOUR_MS
    shown = [this_hour - ago * HOUR_MS for ago in range(_HOURS_SHOWN)]
    values = {"hours": shown, "webhook_ids": webhook_ids}
    found: dict[str, list[HourCount]] = {}
    for webhook_id, hour, succeeded, failed in sorted(fetch_rows(connection, _HOURS, values)):
        counts = (rows.right("webhook_hours", "succeeded", succeeded), rows.right("webhook_hours", "failed", failed))
        found.setdefault(webhook_id, []).append(HourCount(hour, *counts))
    return found


_HOURS = in_one_row(
    select(_hours.c.webhook_id, _hours.c.hour, _hours.c.succeeded, _hours.c.failed).where(
        _hours.c.hour.in_(bindparam("hours", expanding=True)),
        _hours.c.webhook_id.in_(bindparam("webhook_ids", expanding=True)),
    )
)


def _last_deliveries(connection: Connection, webhook_ids: Collection[str]) -> dict[str, Delivery]:
    last = select(func.max(deliveries.c.seq)).where(deliveries.c.webhook_id == webhooks.c.id).scalar_subquery()
    of_each = select(last).where(webhooks.c.id.in_(webhook_ids))
    found = connection.execute(select(deliveries).where(deliveries.c.seq.in_(of_each)))
    return {row.webhook_id: rows.delivery(row) for row in found}


def _first_event_after_success(connection: Connection, webhook_id: str) -> int | None:
    of_webhook = deliveries.c.webhook_id == webhook_id
    succeeded = select(func.max(deliveries.c.seq)).where(of_webhook, deliveries.c.status == DeliveryStatus.SUCCEEDED)
    query = (
        select(events.c.accepted_at)
        .join_from(deliveries, events, events.c.id == deliveries.c.event_id)
        .where(of_webhook, deliveries.c.seq > func.coalesce(succeeded.scalar_subquery(), 0))
    )
    row = connection.execute(query.order_by(deliveries.c.seq).limit(1)).first()
    return None if row is None else int(rows.right("events", "accepted_at", row.accepted_at))


def _count(connection: Connection, query: Select[tuple[int]], limit: int) -> int:
    return int(connection.execute(select(func.count()).select_from(query.limit(limit).subquery())).scalar_one())
