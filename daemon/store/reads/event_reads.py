"""Lists of events, and what is known of how one was submitted: run them with `Reader.fetch`."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from daemon.domain.model import EventSummary
from daemon.store import event_rows, rows
from daemon.store.reads.pagination import LOOK_AT, Choice, Page
from daemon.store.reads.timed_pages import Period, timed_page
from daemon.store.schema import api_keys, events, idempotency_keys

_COLUMNS = (
    events.c.seq,
    events.c.id,
    events.c.team_id,
    events.c.type,
    events.c.timestamp,
    func.length(events.c.body).label("size"),
    events.c.accepted_at,
    events.c.test,
    events.c.key_id,
    events.c.deliver_at,
    events.c.expires_at,
    events.c.erased_at,
    events.c.low,
)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None means any. `since` and `until` bound `accepted_at`, both included."""

    team_id: str | None = None
    event_type: str | None = None
    since: int | None = None
    until: int | None = None


def list_events(
    connection: Connection, wanted: EventFilter, limit: int, before: int | None = None, look_at: int = LOOK_AT
) -> Page[EventSummary]:
    """Return the events that match, newest first.

    A page examines no more than `look_at` events in each range of time: it may hold fewer than `limit`, even none, and
    still have a next page.
    """
    of_team = [] if wanted.team_id is None else [events.c.team_id == wanted.team_id]
    return timed_page(
        connection,
        Period(events.c.accepted_at, wanted.since, wanted.until),
        lambda first_seq: [Choice(events, of_team, _row_conditions(wanted), first_seq=first_seq, columns=_COLUMNS)],
        limit=limit,
        before=before,
        value=event_rows.event_summary,
        look_at=look_at,
    )


def events_of_submission(
    connection: Connection, wanted: EventFilter, scopes: Collection[str], key: str
) -> list[EventSummary]:
    """Return the events that match of those submitted with this idempotency key, newest first: a batch at most.

    `scopes` are those whose keys count.
    """
    kept = select(idempotency_keys.c.receipts).where(
        idempotency_keys.c.scope.in_(scopes), idempotency_keys.c.key == key
    )
    ids = [event_id for row in connection.execute(kept) for event_id, _ in rows.receipts(row.receipts)]
    if not ids:
        return []
    conditions = _row_conditions(wanted)
    if wanted.team_id is not None:
        # Concatenation keeps the planner from using the team's index instead of the ids.
        conditions.append(events.c.team_id.concat("") == wanted.team_id)
    found = connection.execute(select(*_COLUMNS).where(events.c.id.in_(ids), *conditions))
    return sorted(map(event_rows.event_summary, found), key=lambda one: one.seq, reverse=True)


def idempotency_key_of(connection: Connection, event_id: str, accepted_at: int, scopes: Collection[str]) -> str | None:
    """Return the idempotency key of these scopes with which an event was submitted, None if none is kept."""
    column = idempotency_keys.c
    query = select(column.key).where(
        column.created_at == accepted_at,  # by an index: what was submitted in the same millisecond
        column.scope.concat("").in_(scopes),
        column.receipts.contains(f'"{event_id}"', autoescape=True),
    )
    return connection.execute(query.limit(1)).scalar()


def key_names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of these API keys by id, revoked ones included."""
    found = connection.execute(select(api_keys.c.id, api_keys.c.name).where(api_keys.c.id.in_(ids)))
    return {row.id: rows.right("api_keys", "name", row.name) for row in found}


def _row_conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.event_type is not None:
        conditions.append(events.c.type == wanted.event_type)
    if wanted.since is not None:
        conditions.append(events.c.accepted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(events.c.accepted_at <= wanted.until)
    return conditions
