"""Lists of deliveries, and their last attempts: run them with `Reader.fetch`. Pagination is by `seq`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, ScalarSelect, Table, select

from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import Delivery, DeliveryStatus, LastAttempt, OutcomeKind
from daemon.store import rows
from daemon.store.reads.pagination import LOOK_AT, Choice, Page, bounded_page
from daemon.store.reads.timed_pages import Period, timed_page
from daemon.store.rows import right
from daemon.store.schema import attempts, deliveries, events, webhooks
from daemon.store.stored_status import words_of

_SUCCESS = range(200, 300)


def deliveries_of_event(connection: Connection, event_id: str, limit: int, after: int | None = None) -> Page[Delivery]:
    """Return an event's deliveries, oldest first, those after this `seq`."""
    query = select(deliveries).where(deliveries.c.event_id == event_id, deliveries.c.seq > (after or 0))
    found = connection.execute(query.order_by(deliveries.c.seq).limit(limit + 1)).all()
    shown = tuple(rows.delivery(row) for row in found[:limit])
    return Page(shown, shown[-1].seq if len(found) > limit else None)


def list_deliveries(
    connection: Connection, wanted: DeliveryFilter, limit: int, before: int | None = None, look_at: int = LOOK_AT
) -> Page[Delivery]:
    """Return the deliveries that match, newest first.

    Where no index covers the filter, a page examines no more than `look_at` deliveries: it may hold fewer than `limit`,
    even none, and still have a next page.
    """
    if _belongs_to_another_team(connection, wanted):
        return Page((), None)  # even the existence of a next page would reveal something
    return timed_page(
        connection,
        Period(deliveries.c.created_at, wanted.since, wanted.until),
        partial(choices_of, wanted),
        limit=limit,
        before=before,
        value=rows.delivery,
        look_at=look_at,
    )


def queued_again_as(
    connection: Connection, event_id: str, delivery_ids: Collection[str], limit: int
) -> dict[str, list[Delivery]]:
    """Return what these deliveries of an event were queued again as, by their ids: the newest `limit` in all.

    Looks at a bounded number of the event's deliveries, from the newest on.
    """
    choice = Choice(deliveries, [deliveries.c.event_id == event_id], [deliveries.c.origin_id.in_(delivery_ids)])
    page = bounded_page(connection, choice, limit=limit, before=None, value=rows.delivery, look_at=LOOK_AT)
    found: dict[str, list[Delivery]] = {}
    for delivery in page.items:
        if delivery.origin_id is not None:
            found.setdefault(delivery.origin_id, []).append(delivery)
    return found


def last_attempts(connection: Connection, listed: Sequence[Delivery]) -> Mapping[str, LastAttempt]:
    """Return the last attempts of these deliveries by their ids, as they stood when they were listed."""
    ids = {(delivery.seq, delivery.attempts_made): delivery.id for delivery in listed if delivery.attempts_made}
    if not ids:
        return {}
    seqs, numbers = map(set, zip(*ids, strict=True))
    column = attempts.c
    # Two lists: of pairs, no engine makes use of the primary key. Few deliveries have more than one attempt.
    found = connection.execute(_LAST_ATTEMPTS.where(column.delivery_seq.in_(seqs), column.number.in_(numbers)))
    return {
        ids[row.delivery_seq, row.number]: rows.last_attempt(row)
        for row in found
        if (row.delivery_seq, row.number) in ids
    }


@dataclass(frozen=True, slots=True)
class ListedAttempt(LastAttempt):
    """An attempt of a delivery, without what was answered."""

    delivery: Delivery
    number: int
    started_at: int


def attempts_of(connection: Connection, listed: Sequence[Delivery]) -> list[ListedAttempt]:
    """Return the attempts of these deliveries, in their order, each one's from the first on."""
    seqs = [delivery.seq for delivery in listed if delivery.attempts_made]
    query = _LAST_ATTEMPTS.add_columns(attempts.c.started_at).where(attempts.c.delivery_seq.in_(seqs))
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(attempts.c.delivery_seq, attempts.c.number)) if seqs else ():
        found.setdefault(row.delivery_seq, []).append(row)
    return [_listed_attempt(delivery, row) for delivery in listed for row in found.get(delivery.seq, ())]


def _listed_attempt(delivery: Delivery, row: Row[Any]) -> ListedAttempt:
    last = rows.last_attempt(row)
    return ListedAttempt(
        outcome=last.outcome,
        status=last.status,
        duration_ms=last.duration_ms,
        error=last.error,
        delivery=delivery,
        number=right("attempts", "number", row.number),
        started_at=right("attempts", "started_at", row.started_at),
    )


_LAST_ATTEMPTS = select(
    attempts.c.delivery_seq,
    attempts.c.number,
    attempts.c.outcome,
    attempts.c.status,
    attempts.c.duration_ms,
    attempts.c.error,
)


def _belongs_to_another_team(connection: Connection, wanted: DeliveryFilter) -> bool:
    if wanted.team_id is None:
        return False
    named = ((webhooks, wanted.webhook_id), (events, wanted.event_id))
    owners = [_owner(connection, table, its_id) for table, its_id in named if its_id is not None]
    return any(owner not in (None, wanted.team_id) for owner in owners)


def _owner(connection: Connection, table: Table, its_id: str) -> str | None:
    return connection.execute(select(table.c.team_id).where(table.c.id == its_id)).scalar()


def choices_of(wanted: DeliveryFilter, first_seq: int) -> list[Choice]:
    """Return what to look through: one part of an index for each status where an index has them, else all at once."""
    statuses = _possible_statuses(wanted)
    by_index, by_row = _index_conditions(wanted), _row_conditions(wanted)
    if len(statuses) == len(DeliveryStatus):
        return [Choice(deliveries, by_index, by_row, first_seq=first_seq)]
    if wanted.event_id is None and by_index:
        return [
            Choice(deliveries, [*by_index, deliveries.c.status == word], by_row, first_seq=first_seq)
            for word in words_of(statuses)
        ]
    return (
        [Choice(deliveries, by_index, [deliveries.c.status.in_(words_of(statuses)), *by_row], first_seq=first_seq)]
        if statuses
        else []
    )


def _possible_statuses(wanted: DeliveryFilter) -> list[DeliveryStatus]:
    """Return the statuses that fit, and that deliveries with such a last attempt may have."""
    succeeded, http_statuses = DeliveryStatus.SUCCEEDED, wanted.http_statuses
    possible = list(wanted.statuses or DeliveryStatus)
    if wanted.outcome is OutcomeKind.DELIVERED:
        return [status for status in possible if status is succeeded]
    if wanted.outcome is None and (http_statuses is None or http_statuses.start in _SUCCESS):
        return possible
    return [status for status in possible if status is not succeeded]


def _index_conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    if wanted.event_id is not None:
        return [deliveries.c.event_id == wanted.event_id]
    if wanted.webhook_id is not None:
        return [deliveries.c.webhook_id == wanted.webhook_id]
    return [] if wanted.team_id is None else [deliveries.c.team_id == wanted.team_id]


def _row_conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    column, conditions = deliveries.c, []
    if wanted.team_id is not None and (wanted.webhook_id is not None or wanted.event_id is not None):
        # Concatenation keeps the planner from using the team's index instead of the webhook's or the event's.
        conditions.append(column.team_id.concat("") == wanted.team_id)
    if wanted.event_id is not None and wanted.webhook_id is not None:
        # Concatenation keeps the planner from using the webhook's index instead of the event's.
        conditions.append(column.webhook_id.concat("") == wanted.webhook_id)
    if wanted.event_type is not None:
        conditions.append(column.event_type == wanted.event_type)
    if wanted.since is not None:
        conditions.append(column.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(column.created_at <= wanted.until)
    if wanted.outcome is not None:
        conditions.append(_of_last_attempt(attempts.c.outcome) == wanted.outcome.value)
    if (those := wanted.http_statuses) is not None:
        conditions.append(_of_last_attempt(attempts.c.status).between(those.start, those.stop - 1))
    return conditions


def _of_last_attempt(column: Column[str] | Column[int]) -> ScalarSelect[str] | ScalarSelect[int]:
    """Return what the last attempt has in a column: for each row on its own, which a planner does not join."""
    last = (attempts.c.delivery_seq == deliveries.c.seq, attempts.c.number == deliveries.c.attempts_made)
    return select(column).where(*last).correlate(deliveries).scalar_subquery()
