"""Finding what people look for: run these with `Reader.fetch`. Each examines a bounded number of rows and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, func, or_, select

from daemon.domain.search import Ids, Kind, Wanted, must_be_read, value_matches
from daemon.store import rows
from daemon.store.bulk import HasBytes
from daemon.store.reads.pagination import LOOK_AT
from daemon.store.reads.time_blocks import SeqRange, last_range
from daemon.store.schema import deliveries, events, webhooks

# Looking for bytes in so many takes about 10 ms; so does reading so many as JSON, each payload as many more.
MOST_BYTES = 4 * 1024 * 1024
MOST_READ_BYTES, _READING_ONE = 512 * 1024, 512
# Ids with the same beginning may be another team's: so many are examined.
_MOST_IDS = 1_000


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found: `title` is its event type or its name, `at` when it came to be (ms)."""

    kind: Kind
    id: str
    team_id: str
    title: str
    at: int


@dataclass(frozen=True, slots=True)
class Searched:
    """What was found in a part of a team's events, newest first, and where the next part begins (None: that was all).

    `looked_at` is how many were examined; `back_to` (ms) is when the last one of them was accepted.
    """

    hits: tuple[Hit, ...]
    next_cursor: int | None
    looked_at: int = 0
    bytes_looked_at: int = 0
    back_to: int | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    table: Table
    title: Column[str]
    at: Column[int]


_PLACES: Mapping[Kind, _Place] = MappingProxyType(
    {
        Kind.EVENT: _Place(events, events.c.type, events.c.accepted_at),
        Kind.DELIVERY: _Place(deliveries, deliveries.c.event_type, deliveries.c.created_at),
        Kind.WEBHOOK: _Place(webhooks, webhooks.c.name, webhooks.c.created_at),
    }
)


def find_ids(connection: Connection, ids: Sequence[Ids], team_id: str | None, limit: int) -> list[Hit]:
    """Return what has these ids, of a team or of all; webhooks that are not deleted. At most `limit` of each kind."""
    return [hit for each in ids for hit in _with_ids(connection, each, team_id=team_id, limit=limit)]


def _with_ids(connection: Connection, ids: Ids, team_id: str | None, limit: int) -> list[Hit]:
    place = _PLACES[ids.kind]
    column = place.table.c
    first = select(column.seq).where(column.id.between(ids.first, ids.last)).order_by(column.id).limit(_MOST_IDS)
    query = select(column.id, column.team_id, place.title.label("title"), place.at.label("at"))
    query = query.where(column.seq.in_(first.scalar_subquery()))
    if team_id is not None:
        # Concatenation keeps the planner from using the team's index instead of the ids.
        query = query.where(column.team_id.concat("") == team_id)
    if ids.kind is Kind.WEBHOOK:
        query = query.where(column.deleted_at.is_(None))
    table = place.table.name
    return [
        Hit(
            ids.kind,
            id=rows.right(table, "id", row.id),
            team_id=rows.right(table, "team_id", row.team_id),
            title=rows.right(table, place.title.name, row.title),
            at=rows.right(table, place.at.name, row.at),
        )
        for row in sorted(connection.execute(query), key=attrgetter("id"))[:limit]
    ]


def find_in_payloads(
    connection: Connection,
    wanted: Wanted,
    team_id: str,
    *,
    limit: int,
    before: int | None = None,
    since: int | None = None,
    until: int | None = None,
    look_at: int = LOOK_AT,
    most_bytes: int = MOST_BYTES,
) -> Searched:
    """Return a team's events whose payloads match, newest first, before this `seq`.

    Examines at most `look_at` events, and `most_bytes` of their payloads, but for one that is larger; and reads at most
    `MOST_READ_BYTES` as JSON.
    """
    reach = SeqRange(0, before)
    if since is not None or until is not None:
        found = last_range(connection, events.c.accepted_at, before=before, since=since, until=until)
        if found is None:
            return Searched((), None)
        reach = found
    conditions = [events.c.team_id == team_id]
    conditions += [] if since is None else [events.c.accepted_at >= since]
    conditions += [] if until is None else [events.c.accepted_at <= until]
    part = _next_part(connection, conditions, reach=reach, look_at=look_at, most_bytes=most_bytes)
    if not part.looked:
        return Searched((), reach.first_seq or None)
    hits, stopped_at = _matching(connection, wanted, conditions=conditions, part=part, limit=limit)
    looked = [one for one in part.looked if stopped_at is None or one.seq >= stopped_at]
    behind = stopped_at or (looked[-1].seq if part.is_cut else reach.first_seq)
    return Searched(
        hits,
        behind or None,
        looked_at=len(looked),
        bytes_looked_at=sum(one.size for one in looked),
        back_to=looked[-1].accepted_at,
    )


class _Looked(NamedTuple):
    seq: int
    size: int
    accepted_at: int


@dataclass(frozen=True, slots=True)
class _Part:
    """The events to look at, newest first; `is_cut` if others lie behind them."""

    end_seq: int | None
    looked: list[_Looked]
    is_cut: bool

    @property
    def reach(self) -> SeqRange:
        return SeqRange(self.looked[-1].seq, self.end_seq)


def _next_part(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], *, reach: SeqRange, look_at: int, most_bytes: int
) -> _Part:
    size = func.length(events.c.body).label("size")
    query = select(events.c.seq, size, events.c.accepted_at).where(*conditions, *_within(reach))
    looked: list[_Looked] = []
    total = 0
    for row in connection.execute(query.order_by(events.c.seq.desc()).limit(look_at + 1)):
        if looked and (len(looked) == look_at or total + row.size > most_bytes):
            return _Part(reach.end_seq, looked, is_cut=True)
        looked.append(_Looked(*row))
        total += row.size
    return _Part(reach.end_seq, looked, is_cut=False)


def _matching(
    connection: Connection, wanted: Wanted, *, conditions: Sequence[ColumnElement[bool]], part: _Part, limit: int
) -> tuple[tuple[Hit, ...], int | None]:
    """Return what matches, and at which `seq` it stopped, if before the end of the part."""
    may_match = or_(HasBytes(events.c.body, wanted.needle) > 0, HasBytes(events.c.body, wanted.escape) > 0)
    query = select(events.c.seq, events.c.id, events.c.team_id, events.c.type, events.c.accepted_at, events.c.body)
    found = connection.execute(query.where(*conditions, *_within(part.reach), may_match).order_by(events.c.seq.desc()))
    hits: list[Hit] = []
    read_bytes = 0
    for row in found:
        body = rows.right("events", "body", row.body)
        if must_be_read(wanted, body):
            read_bytes += len(body) + _READING_ONE
            is_hit = value_matches(wanted, body)
        else:
            is_hit = wanted.needle in body
        if is_hit:
            hits.append(_event_hit(row))
        if len(hits) == limit or read_bytes > MOST_READ_BYTES:
            return tuple(hits), row.seq
    return tuple(hits), None


def _event_hit(row: Row[*tuple[Any, ...]]) -> Hit:
    return Hit(
        Kind.EVENT,
        id=rows.right("events", "id", row.id),
        team_id=rows.right("events", "team_id", row.team_id),
        title=rows.right("events", "type", row.type),
        at=rows.right("events", "accepted_at", row.accepted_at),
    )


def _within(reach: SeqRange) -> list[ColumnElement[bool]]:
    from_first = [events.c.seq >= reach.first_seq] if reach.first_seq else []
    return from_first if reach.end_seq is None else [*from_first, events.c.seq < reach.end_seq]
