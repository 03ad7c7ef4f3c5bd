"""The actors' reads: run them with `Reader.fetch`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    exists,
    func,
    select,
    tuple_,
    union_all,
)

from daemon.domain.mails import Mail
from daemon.domain.model import MAX_INLINE_BODY_BYTES, ApiKey, Attempt, Webhook, Work
from daemon.domain.operational_events import OperationalEvent
from daemon.domain.operations import About
from daemon.domain.webhook_options import options_from_text
from daemon.store import mail_rows, operational_rows, rows
from daemon.store.bulk import TextOf, fetch_rows, in_one_row
from daemon.store.commands import EndSession
from daemon.store.reads.conditions import EXPIRES_AT, IS_IN_ORDER, IS_LOW, IS_QUEUED, PENDING_SINCE
from daemon.store.reads.time_blocks import SeqRange, next_range
from daemon.store.schema import (
    api_keys,
    attempts,
    cancellations,
    deliveries,
    events,
    mails,
    operational_events,
    teams,
    webhooks,
)
from daemon.store.schema import ended_sessions as ended_sessions_table

Item = TypeVar("Item")

# Asked each minute: made once.
# The team's name and time zone are told as they are when the mail is sent.
MAILS = select(mails, teams.c.name.label("team_name"), teams.c.time_zone).outerjoin(
    teams, teams.c.id == mails.c.team_id
)
_NEXT_MAIL_AT = select(func.min(mails.c.next_attempt_at)).where(mails.c.sent_at.is_(None))


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the router knows about an active webhook."""

    webhook_id: str
    team_id: str
    events: tuple[str, ...]
    about: About = About.EVENTS
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """Some rows of a table that is read from its beginning, and after which key to continue (None: it is read)."""

    items: list[Item]
    behind: int | str | None


def subscriptions(connection: Connection, behind: int, limit: int) -> Found[Subscription]:
    """Return the subscriptions of the next active webhooks after this seq, oldest first."""
    query = select(webhooks.c.seq, webhooks.c.id, webhooks.c.team_id, webhooks.c.events, webhooks.c.about)
    query = query.add_columns(webhooks.c.options)
    query = query.where(webhooks.c.active, webhooks.c.deleted_at.is_(None))
    return _found(
        connection,
        query,
        page=(webhooks.c.seq, behind, limit),
        value=lambda row: Subscription(
            row.id,
            row.team_id,
            tuple(orjson.loads(row.events)),
            about=About(row.about),
            filter=options_from_text(row.options).filter,
        ),
    )


def team_ids(connection: Connection, behind: int, limit: int) -> Found[str]:
    """Return the ids of the next teams after this seq."""
    return _found(
        connection, select(teams.c.seq, teams.c.id), page=(teams.c.seq, behind, limit), value=lambda row: row.id
    )


def valid_keys(connection: Connection, behind: int, limit: int) -> Found[tuple[bytes, ApiKey]]:
    """Return the next API keys after this seq that are not revoked, each with the digest of its secret."""
    query = select(api_keys).where(api_keys.c.revoked_at.is_(None))
    return _found(
        connection, query, page=(api_keys.c.seq, behind, limit), value=lambda row: (row.digest, rows.api_key(row))
    )


def ended_sessions(connection: Connection, behind: str, limit: int) -> Found[EndSession]:
    """Return the next signed-out sessions after this id, in the order of their ids."""
    query = select(ended_sessions_table)
    key = ended_sessions_table.c.id
    return _found(
        connection,
        query,
        page=(key, behind, limit),
        value=lambda row: EndSession(row.id, row.key_id, expires_at=row.expires_at, now=0),
    )


def _found(
    connection: Connection,
    query: Select[Any],
    page: tuple[Column[Any], int | str, int],
    value: Callable[[Row[Any]], Item],
) -> Found[Item]:
    key, behind, limit = page
    found = connection.execute(query.where(key > behind).order_by(key).limit(limit)).all()
    return Found([value(row) for row in found], found[-1]._mapping[key] if len(found) == limit else None)


@dataclass(frozen=True, slots=True)
class WithWork:
    """Webhooks that have pending deliveries, in order, and after which id to continue (None: all are read)."""

    webhook_ids: tuple[str, ...]
    behind: str | None


def webhooks_with_work(connection: Connection, behind: str = "", look_at: int = 1_000) -> WithWork:
    """Return which of the next `look_at` webhooks after this one, paused ones aside, have pending deliveries."""
    looked_at = sorted(fetch_rows(connection, _WITH_WORK, {"behind": behind, "look_at": look_at}))
    with_work = tuple(webhook_id for webhook_id, has_work in looked_at if has_work)
    return WithWork(with_work, looked_at[-1][0] if len(looked_at) == look_at else None)


# An EXISTS for each webhook: DISTINCT would scan all deliveries.
_WITH_WORK = in_one_row(
    select(webhooks.c.id, exists().where(deliveries.c.webhook_id == webhooks.c.id, IS_QUEUED).label("has_work"))
    .where(webhooks.c.id > bindparam("behind"), webhooks.c.paused_at.is_(None))
    .order_by(webhooks.c.id)
    .limit(bindparam("look_at"))
)


def webhook_or_deleted(connection: Connection, webhook_id: str) -> Webhook | None:
    """Return a webhook by its id, even a deleted one."""
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).first()
    return None if row is None else rows.webhook(row)


# What an actor begins with: reads a webhook and its first pending deliveries, at most so many.
Look = Callable[[Connection, str, int], tuple[Webhook | None, Sequence[Work]]]
# What actors go on with: reads the first pending deliveries of each of these webhooks, in order, at most so many.
ReadPending = Callable[[Connection, Sequence[tuple[str, int]]], Sequence[Sequence[Work]]]


def webhook_and_work(connection: Connection, webhook_id: str, limit: int) -> tuple[Webhook | None, Sequence[Work]]:
    """Return a webhook, deleted or not, and its first pending deliveries, in order, at most `limit`."""
    webhook = webhook_or_deleted(connection, webhook_id)
    return webhook, () if webhook is None else pending_work(connection, webhook_id, limit)


def pending_work(connection: Connection, webhook_id: str, limit: int) -> Sequence[Work]:
    """Return a webhook's first pending deliveries, in order, at most `limit`."""
    found = fetch_rows(connection, _PENDING_WORK, {"webhook_id": webhook_id, "limit": limit})
    return in_their_order([rows.work(row) for row in found])[:limit]


def in_their_order(work: Iterable[Work]) -> list[Work]:
    """Return pending deliveries of a webhook in their order: those of low priority behind the others."""
    return sorted(work, key=lambda one: (one.low, one.seq))


def pending_work_one_by_one(connection: Connection, asked: Sequence[tuple[str, int]]) -> Sequence[Sequence[Work]]:
    """Return for each of these webhooks its first pending deliveries, in order, at most so many."""
    return [pending_work(connection, webhook_id, limit) for webhook_id, limit in asked]


# A body is JSON, that is text, although it is stored as the bytes that are sent.
_LIGHT_BODY = case((func.length(events.c.body) <= MAX_INLINE_BODY_BYTES, TextOf(events.c.body)), else_=None)
# The columns of pending deliveries of the webhook `webhook_id`, as `daemon.store.rows.work` takes them.
WORK = (
    select(
        deliveries.c.seq,
        deliveries.c.id,
        deliveries.c.event_id,
        deliveries.c.event_type,
        _LIGHT_BODY.label("body"),
        PENDING_SINCE.label("created_at"),
        deliveries.c.attempts_made,
        deliveries.c.next_attempt_at,
        deliveries.c.test,
        events.c.traceparent,
        EXPIRES_AT.label("expires_at"),
        deliveries.c.status,
    )
    .join_from(deliveries, events, deliveries.c.event_id == events.c.id)
    .where(deliveries.c.webhook_id == bindparam("webhook_id"))
)
_newest_cancellation = (
    select(cancellations)
    .where(cancellations.c.webhook_id == bindparam("webhook_id"))
    .order_by(cancellations.c.seq.desc())
    .limit(1)
)
_through_seq = _newest_cancellation.with_only_columns(cancellations.c.through_seq).scalar_subquery()
_except_seq = _newest_cancellation.with_only_columns(cancellations.c.except_seq).scalar_subquery()
_behind = WORK.where(deliveries.c.seq > func.coalesce(_through_seq, 0)).order_by(deliveries.c.seq)
# Millions of deliveries may be waiting for their cancellation: the query skips them, but for the excepted one.
_PENDING_WORK = in_one_row(
    union_all(
        select(WORK.where(deliveries.c.seq == _except_seq, IS_QUEUED).subquery("excepted")),
        select(_behind.where(IS_IN_ORDER).limit(bindparam("limit")).subquery("behind")),
        select(_behind.where(IS_LOW).limit(bindparam("limit")).subquery("low")),
    )
)


def events_since(connection: Connection, since: int, from_seq: int = 0) -> SeqRange:
    """Return the first range from `from_seq` on in which events may have been accepted at or after `since`.

    No such event is between two ranges; the last range has no end.
    """
    return next_range(connection, events.c.accepted_at, from_seq=from_seq, since=since)


def event_body(connection: Connection, event_id: str) -> bytes:
    """Return the bytes of an event's payload."""
    body = connection.execute(select(events.c.body).where(events.c.id == event_id)).scalar_one()
    return bytes(rows.right("events", "body", body))


def attempt(connection: Connection, delivery_seq: int, number: int) -> Attempt | None:
    """Return an attempt of a delivery, None if it was never recorded."""
    wanted = select(attempts).where(attempts.c.delivery_seq == delivery_seq, attempts.c.number == number)
    row = connection.execute(wanted).first()
    return None if row is None else rows.attempt(row)


# Behind which webhook to go on: when it resumes, and its id.
ResumePlace = tuple[int, str]
FIRST_RESUME: ResumePlace = (0, "")


def due_resumes(
    connection: Connection, now: int, behind: ResumePlace, limit: int
) -> tuple[list[str], ResumePlace | None]:
    """Return the next paused webhooks whose time to resume has come, in its order, and where to go on (None: done)."""
    key = tuple_(webhooks.c.resumes_at, webhooks.c.id)
    query = select(webhooks.c.id, webhooks.c.resumes_at).where(webhooks.c.resumes_at <= now, key > tuple_(*behind))
    found = connection.execute(query.order_by(webhooks.c.resumes_at, webhooks.c.id).limit(limit)).all()
    more = len(found) == limit
    return [row.id for row in found], (found[-1].resumes_at, found[-1].id) if more else None


def next_resume_at(connection: Connection, now: int) -> int | None:
    """Return when the next webhook after `now` resumes by itself, None if none does."""
    query = select(func.min(webhooks.c.resumes_at)).where(webhooks.c.resumes_at > now)
    return connection.execute(query).scalar()


def live_webhooks(connection: Connection, behind: str, limit: int) -> tuple[list[str], str | None]:
    """Return the ids of the next live webhooks behind an id, in their order, and where to go on (None: done)."""
    query = select(webhooks.c.id).where(webhooks.c.live, webhooks.c.deleted_at.is_(None), webhooks.c.id > behind)
    found = list(connection.execute(query.order_by(webhooks.c.id).limit(limit)).scalars())
    return found, found[-1] if len(found) == limit else None


def due_mails(connection: Connection, now: int, limit: int = 20) -> Sequence[Mail]:
    """Return the mails that are due at `now`, oldest first."""
    waiting = MAILS.where(mails.c.sent_at.is_(None), mails.c.next_attempt_at <= now)
    return [mail_rows.mail(row) for row in connection.execute(waiting.order_by(mails.c.next_attempt_at).limit(limit))]


def next_mail_at(connection: Connection) -> int | None:
    """Return when the next mail is due, None if none waits."""
    return connection.execute(_NEXT_MAIL_AT).scalar()


# The team's name is told as it is when the event is submitted.
OPERATIONAL_EVENTS = select(operational_events, teams.c.name.label("team_name")).outerjoin(
    teams, teams.c.id == operational_events.c.about_team_id
)


def waiting_operational_events(connection: Connection, limit: int = 20) -> Sequence[OperationalEvent]:
    """Return the operational events of the outbox, oldest first."""
    found = connection.execute(OPERATIONAL_EVENTS.order_by(operational_events.c.seq).limit(limit))
    return [operational_rows.operational_event(row) for row in found]
