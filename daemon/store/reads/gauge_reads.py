"""The gauges' reads: how much waits, and since when. Each reads a bounded number of rows."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from daemon.domain.model import Delivery
from daemon.store import rows
from daemon.store.reads.conditions import PENDING_SINCE
from daemon.store.schema import deliveries, events, fan_outs, mails, teams, webhooks
from daemon.store.stored_status import PENDING

# One part counts a hundred teams with up to this many deliveries each, or a part of the deliveries of a larger team.
_TEAMS_AT_ONCE = 100
_DELIVERIES_PER_TEAM = 1_000
_DELIVERIES_AT_ONCE = 10_000
_MAILS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and when the oldest of them was created (ms), None if there are none."""

    count: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a count has got: past the team, or (`seq`) past one of its deliveries."""

    team_id: str = ""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a count: how many deliveries are pending, the first of them, where to continue (None: it is done)."""

    count: int
    first_seq: int | None
    behind: Place | None


def count_pending(connection: Connection, place: Place, word: str = PENDING) -> Part:
    """Count the next part of the deliveries that are kept as `word` after `place`, team by team, along an index."""
    is_such = deliveries.c.status == word
    return (
        _count_teams(connection, place.team_id, is_such)
        if place.seq is None
        else _count_team(connection, place, is_such)
    )


def count_paused(connection: Connection, limit: int) -> int:
    """Return how many webhooks are paused, counted up to `limit`."""
    paused = select(webhooks.c.id).where(webhooks.c.paused_at > 0).limit(limit).subquery()
    return int(connection.execute(select(func.count()).select_from(paused)).scalar_one())


def delivery_of(connection: Connection, seq: int) -> Delivery | None:
    """Return the delivery with this `seq`, None if it no longer exists."""
    row = connection.execute(select(deliveries).where(deliveries.c.seq == seq)).first()
    return None if row is None else rows.delivery(row)


def pending_since(connection: Connection, seq: int) -> int | None:
    """Return since when the delivery with this `seq` might have been made (ms), None if it no longer exists."""
    of_delivery = select(PENDING_SINCE).join_from(deliveries, events, deliveries.c.event_id == events.c.id)
    return connection.execute(of_delivery.where(deliveries.c.seq == seq)).scalar()


def deliveries_to_come(connection: Connection, team_id: str | None = None) -> Waiting:
    """Return how many deliveries of large submissions are not created yet: they count as pending."""
    query = select(func.coalesce(func.sum(fan_outs.c.remaining), 0), func.min(fan_outs.c.accepted_at))
    query = query if team_id is None else query.where(fan_outs.c.team_id == team_id)
    count, oldest_at = connection.execute(query).one()
    return Waiting(count, oldest_at)


@dataclass(frozen=True, slots=True)
class MailPlace:
    """How far the count of mails has got: past the mail that is due at `due_at` and has this `seq`."""

    due_at: int = -1
    seq: int = 0


@dataclass(frozen=True, slots=True)
class MailPart:
    """A part of the count: how many mails, when the oldest was created (ms), where to continue (None: it is done)."""

    count: int
    oldest_at: int | None
    behind: MailPlace | None


def count_mails(connection: Connection, place: MailPlace) -> MailPart:
    """Count the next waiting mails after this place, in the order in which they are due."""
    key = tuple_(mails.c.next_attempt_at, mails.c.seq)
    query = select(mails.c.next_attempt_at, mails.c.seq, mails.c.created_at).where(mails.c.sent_at.is_(None))
    query = query.where(key > tuple_(place.due_at, place.seq)).order_by(mails.c.next_attempt_at, mails.c.seq)
    found = connection.execute(query.limit(_MAILS_AT_ONCE)).all()
    for row in found:
        rows.right("mails", "created_at", row.created_at)
    more = len(found) == _MAILS_AT_ONCE
    behind = MailPlace(found[-1].next_attempt_at, found[-1].seq) if more else None
    return MailPart(len(found), min((row.created_at for row in found), default=None), behind)


def _count_teams(connection: Connection, behind: str, is_such: ColumnElement[bool]) -> Part:
    of_team = select(deliveries.c.seq).where(is_such, deliveries.c.team_id == teams.c.id)
    some = of_team.limit(_DELIVERIES_PER_TEAM).correlate(teams).subquery()
    counted = select(func.count()).select_from(some).scalar_subquery()
    first = of_team.with_only_columns(func.min(deliveries.c.seq)).scalar_subquery()
    query = select(teams.c.id, counted.label("count"), first.label("first")).where(teams.c.id > behind)
    found = connection.execute(query.order_by(teams.c.id).limit(_TEAMS_AT_ONCE)).all()
    total = 0
    firsts: list[int] = []
    for team_id, count, first_seq in found:
        if count == _DELIVERIES_PER_TEAM:
            return Part(total, min(firsts, default=None), Place(team_id, 0))
        total += count
        firsts += [] if first_seq is None else [first_seq]
    more = len(found) == _TEAMS_AT_ONCE
    return Part(total, min(firsts, default=None), Place(found[-1].id) if more else None)


def _count_team(connection: Connection, place: Place, is_such: ColumnElement[bool]) -> Part:
    of_team = select(deliveries.c.seq).where(is_such, deliveries.c.team_id == place.team_id)
    some = of_team.where(deliveries.c.seq > place.seq).order_by(deliveries.c.seq).limit(_DELIVERIES_AT_ONCE).subquery()
    query = select(func.count(), func.min(some.c.seq), func.max(some.c.seq)).select_from(some)
    count, first_seq, last_seq = connection.execute(query).one()
    more = count == _DELIVERIES_AT_ONCE
    return Part(count, first_seq, Place(place.team_id, last_seq if more else None))
