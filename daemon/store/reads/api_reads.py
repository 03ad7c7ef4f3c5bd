"""The API's reads: run them with `Reader.fetch`. Pagination is by `seq`, never by offset."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from daemon.domain.audit import AuditEntry
from daemon.domain.model import ApiKey, Attempt, CreditEntry, Delivery, DeliveryStatus, Event, Team, Webhook
from daemon.store import rows
from daemon.store.reads.pagination import LOOK_AT, Choice, Page, bounded_page, page_of
from daemon.store.reads.time_blocks import SeqRange, last_range
from daemon.store.schema import api_keys, attempts, audit_entries, credit_entries, deliveries, events, teams, webhooks

Item = TypeVar("Item")

# After the clock was set back there are several ranges of rows for the same time: a page looks at this many at most.
_RANGES_PER_PAGE = 4


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None means any. `since` and `until` bound `created_at`, both included."""

    team_id: str | None = None
    webhook_id: str | None = None
    event_id: str | None = None
    status: DeliveryStatus | None = None
    event_type: str | None = None
    since: int | None = None
    until: int | None = None


def get_team(connection: Connection, team_id: str) -> Team | None:
    """Return a team by its id."""
    return _one(connection, teams, its_id=team_id, value=rows.team)


def list_teams(connection: Connection, limit: int, before: int | None = None) -> Page[Team]:
    """Return teams, newest first."""
    return page_of(connection, select(teams), table=teams, limit=limit, before=before, value=rows.team)


def get_balance(connection: Connection, team_id: str) -> int:
    """Return a team's credits, 0 for an unknown team."""
    return int(connection.execute(select(teams.c.balance).where(teams.c.id == team_id)).scalar() or 0)


def get_key(connection: Connection, key_id: str) -> ApiKey | None:
    """Return an API key, revoked or not, by its id."""
    return _one(connection, api_keys, its_id=key_id, value=rows.api_key)


def list_keys(connection: Connection, team_id: str, limit: int, before: int | None = None) -> Page[ApiKey]:
    """Return a team's API keys, newest first."""
    of_team = select(api_keys).where(api_keys.c.team_id == team_id)
    return page_of(connection, of_team, table=api_keys, limit=limit, before=before, value=rows.api_key)


def list_audit_entries(
    connection: Connection, team_id: str, limit: int, before: int | None = None, subject_id: str | None = None
) -> Page[AuditEntry]:
    """Return what was changed of a team, newest first; with `subject_id` only of that webhook, key or delivery.

    A page examines all that is kept of a team, at most (`daemon.store.writes.audit`).
    """
    query = select(audit_entries).where(audit_entries.c.team_id == team_id)
    if subject_id is not None:
        query = query.where(audit_entries.c.subject_id == subject_id)
    return page_of(connection, query, table=audit_entries, limit=limit, before=before, value=rows.audit_entry)


def get_webhook(connection: Connection, webhook_id: str) -> Webhook | None:
    """Return a webhook that is not deleted, by its id."""
    found = _one(connection, webhooks, its_id=webhook_id, value=rows.webhook)
    return None if found is None or found.deleted_at is not None else found


def list_webhooks(connection: Connection, team_id: str | None, limit: int, before: int | None = None) -> Page[Webhook]:
    """Return the webhooks of a team, or of all, newest first."""
    query = select(webhooks).where(webhooks.c.deleted_at.is_(None))
    if team_id is not None:
        query = query.where(webhooks.c.team_id == team_id)
    return page_of(connection, query, table=webhooks, limit=limit, before=before, value=rows.webhook)


def get_event(connection: Connection, event_id: str) -> Event | None:
    """Return an event by its id."""
    return _one(connection, events, its_id=event_id, value=rows.event)


def deliveries_of_event(connection: Connection, event_id: str, limit: int, after: int | None = None) -> Page[Delivery]:
    """Return an event's deliveries, oldest first, those after this `seq`."""
    query = select(deliveries).where(deliveries.c.event_id == event_id, deliveries.c.seq > (after or 0))
    found = connection.execute(query.order_by(deliveries.c.seq).limit(limit + 1)).all()
    shown = tuple(rows.delivery(row) for row in found[:limit])
    return Page(shown, shown[-1].seq if len(found) > limit else None)


def get_delivery(connection: Connection, delivery_id: str) -> Delivery | None:
    """Return a delivery by its id."""
    return _one(connection, deliveries, its_id=delivery_id, value=rows.delivery)


def get_attempts(connection: Connection, delivery_id: str) -> list[Attempt]:
    """Return a delivery's attempts, in order."""
    query = (
        select(attempts)
        .join_from(attempts, deliveries, attempts.c.delivery_seq == deliveries.c.seq)
        .where(deliveries.c.id == delivery_id)
        .order_by(attempts.c.number)
    )
    return [rows.attempt(row) for row in connection.execute(query)]


def list_deliveries(
    connection: Connection, wanted: DeliveryFilter, limit: int, before: int | None = None, look_at: int = LOOK_AT
) -> Page[Delivery]:
    """Return the deliveries that match, newest first.

    Where no index covers the filter, a page examines no more than `look_at` deliveries: it may hold fewer than `limit`,
    even none, and still have a next page.
    """
    if _belongs_to_another_team(connection, wanted):
        return Page((), None)  # even the existence of a next page would reveal something
    items: tuple[Delivery, ...] = ()
    for _ in range(_RANGES_PER_PAGE):
        reach = _reach(connection, wanted, before)
        if reach is None:
            return Page(items, None)
        if len(items) == limit:
            break
        choice = Choice(
            deliveries, _index_conditions(wanted), by_row=_row_conditions(wanted), first_seq=reach.first_seq
        )
        page = bounded_page(
            connection, choice, limit=limit - len(items), before=reach.end_seq, value=rows.delivery, look_at=look_at
        )
        items, before = items + page.items, reach.first_seq
        if page.next_cursor is not None:
            return Page(items, page.next_cursor)
        if not reach.first_seq:
            return Page(items, None)
    return Page(items, before)


def list_credit_entries(
    connection: Connection, team_id: str, limit: int, before: int | None = None
) -> Page[CreditEntry]:
    """Return a team's ledger, newest first."""
    of_team = select(credit_entries).where(credit_entries.c.team_id == team_id)
    return page_of(connection, of_team, table=credit_entries, limit=limit, before=before, value=rows.credit_entry)


def _belongs_to_another_team(connection: Connection, wanted: DeliveryFilter) -> bool:
    if wanted.team_id is None:
        return False
    named = ((webhooks, wanted.webhook_id), (events, wanted.event_id))
    owners = [_owner(connection, table, its_id) for table, its_id in named if its_id is not None]
    return any(owner not in (None, wanted.team_id) for owner in owners)


def _owner(connection: Connection, table: Table, its_id: str) -> str | None:
    return connection.execute(select(table.c.team_id).where(table.c.id == its_id)).scalar()


def _reach(connection: Connection, wanted: DeliveryFilter, before: int | None) -> SeqRange | None:
    if wanted.since is None and wanted.until is None:
        return SeqRange(0, before)
    return last_range(connection, deliveries.c.created_at, before=before, since=wanted.since, until=wanted.until)


def _index_conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    if wanted.event_id is not None:
        return [deliveries.c.event_id == wanted.event_id]
    if wanted.webhook_id is not None:
        conditions = [deliveries.c.webhook_id == wanted.webhook_id]
    elif wanted.team_id is not None:
        conditions = [deliveries.c.team_id == wanted.team_id]
    else:
        return []
    return conditions if wanted.status is None else [*conditions, deliveries.c.status == wanted.status]


def _row_conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    column, conditions = deliveries.c, []
    if wanted.team_id is not None and (wanted.webhook_id is not None or wanted.event_id is not None):
        # Concatenation keeps the planner from using the team's index instead of the webhook's or the event's.
        conditions.append(column.team_id.concat("") == wanted.team_id)
    if wanted.event_id is not None and wanted.webhook_id is not None:
        # Concatenation keeps the planner from using the webhook's index instead of the event's.
        conditions.append(column.webhook_id.concat("") == wanted.webhook_id)
    by_status = wanted.event_id is None and (wanted.webhook_id is not None or wanted.team_id is not None)
    if wanted.status is not None and not by_status:
        conditions.append(column.status == wanted.status)
    if wanted.event_type is not None:
        conditions.append(column.event_type == wanted.event_type)
    if wanted.since is not None:
        conditions.append(column.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(column.created_at <= wanted.until)
    return conditions


def _one(connection: Connection, table: Table, its_id: str, value: Callable[[Row[Any]], Item]) -> Item | None:
    row = connection.execute(select(table).where(table.c.id == its_id)).first()
    return None if row is None else value(row)
