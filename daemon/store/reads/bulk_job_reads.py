"""Bulk jobs, and which deliveries they are for, oldest first: run them with `Reader.fetch`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, select

from daemon.domain.bulk_jobs import STATUSES, BulkAction, BulkJob, BulkJobStatus, Choice
from daemon.domain.model import DeliveryStatus
from daemon.store import bulk_job_rows
from daemon.store.bulk import fetch_rows, in_one_row
from daemon.store.reads import pagination
from daemon.store.reads.conditions import IS_BEING_CANCELLED
from daemon.store.reads.delivery_reads import choices_of
from daemon.store.reads.pagination import Page, page_of
from daemon.store.reads.time_blocks import SeqRange, next_range
from daemon.store.schema import bulk_jobs, deliveries, webhooks
from daemon.store.stored_status import words_of


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some deliveries, each by its number and its webhook's id, in order, and behind which number the others are.

    `next_after_seq` is None if there are no others. `looked_at` is about how many rows were examined.
    """

    found: Sequence[tuple[int, str]]
    next_after_seq: int | None
    looked_at: int


def next_deliveries(connection: Connection, choice: Choice, *, after_seq: int, limit: int, look_at: int) -> Stretch:
    """Return the next deliveries behind `after_seq` that are meant, at most `limit`, after examining at most `look_at`.

    So there may be fewer, even none, and still others behind.
    """
    reach = _reach(connection, choice, after_seq)
    if reach is None:
        return Stretch((), None, 0)
    choices = _choices(choice, reach, look_at)
    share = max(1, look_at // max(1, len(choices)))
    # The sum keeps planners from going through all numbers instead of an event's deliveries.
    place = deliveries.c.seq if choice.wanted.event_id is None else deliveries.c.seq + 0
    within = [place >= reach.first_seq, place <= reach.last_seq]
    parts = [
        _part(connection, replace(one, by_index=[*one.by_index, *within]), reach.last_seq, limit=limit, look_at=share)
        for one in choices
    ]
    # Up to here all were examined, whichever the status.
    end = min((part.end_seq for part in parts), default=reach.last_seq)
    found = sorted(one for part in parts for one in part.found if one[0] <= end)[:limit]
    if len(found) == limit:
        end = found[-1][0]
    looked_at = sum(part.looked_at for part in parts)
    return Stretch(found, end if end < choice.through_seq else None, looked_at)


@dataclass(frozen=True, slots=True)
class _Reach:
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class _Part:
    found: Sequence[tuple[int, str]]
    end_seq: int
    looked_at: int


def _reach(connection: Connection, choice: Choice, after_seq: int) -> _Reach | None:
    """Return the next numbers among which there may be some that are meant."""
    wanted, reach = choice.wanted, SeqRange(after_seq + 1, None)
    if wanted.since is not None or wanted.until is not None:
        at = deliveries.c.created_at
        reach = next_range(connection, at, from_seq=after_seq + 1, since=wanted.since, until=wanted.until)
    last = choice.through_seq if reach.end_seq is None else min(choice.through_seq, reach.end_seq - 1)
    return _Reach(reach.first_seq, last) if reach.first_seq <= last else None


def _choices(choice: Choice, reach: _Reach, look_at: int) -> Sequence[pagination.Choice]:
    """Return what to look through, with what each row is checked for."""
    if choice.seqs is not None:
        some = [seq for seq in choice.seqs if reach.first_seq <= seq <= reach.last_seq][:look_at]
        these = [deliveries.c.seq.in_(some)], [deliveries.c.status.in_(words_of(STATUSES[choice.action]))]
        return [pagination.Choice(deliveries, these[0], [*these[1], *_conditions(choice)])] if some else []
    asked = frozenset(choice.wanted.statuses or DeliveryStatus)
    possible = tuple(status for status in DeliveryStatus if status in asked & STATUSES[choice.action])
    if not possible:
        return []
    return [
        replace(one, by_row=[*one.by_row, *_conditions(choice)])
        for one in choices_of(replace(choice.wanted, statuses=possible), 0)
    ]


def _conditions(choice: Choice) -> list[ColumnElement[bool]]:
    takes_deliveries = (
        select(webhooks.c.active)
        .where(webhooks.c.id == deliveries.c.webhook_id, webhooks.c.deleted_at.is_(None))
        .correlate(deliveries)
        .scalar_subquery()  # for each row on its own, which a planner does not join
    )
    own = ~IS_BEING_CANCELLED if choice.action is BulkAction.CANCEL else deliveries.c.completed_at <= choice.asked_at
    return [takes_deliveries.is_(True), own]


def _part(connection: Connection, choice: pagination.Choice, last_seq: int, limit: int, look_at: int) -> _Part:
    seq = deliveries.c.seq
    # Reads the index only: reading the rows costs many times as much.
    looked_at = select(seq).where(*choice.by_index).order_by(seq).offset(look_at).limit(1)
    unseen = connection.execute(looked_at).scalar()
    query = select(seq, deliveries.c.webhook_id).where(*choice.by_index, *choice.by_row)
    query, end = (query, last_seq) if unseen is None else (query.where(seq < unseen), unseen - 1)
    rows_found = fetch_rows(connection, in_one_row(query.order_by(seq).limit(limit)), {})
    found = sorted((row[0], row[1]) for row in rows_found)
    at_least = len(found) if unseen is None else look_at
    return _Part(found, found[-1][0] if len(found) == limit else end, at_least)


def own_seqs(connection: Connection, team_id: str, delivery_ids: Collection[str]) -> list[int]:
    """Return the numbers of those of these deliveries that are the team's, in order."""
    query = select(deliveries.c.seq, deliveries.c.team_id).where(deliveries.c.id.in_(delivery_ids))
    return sorted(row.seq for row in connection.execute(query) if row.team_id == team_id)


def get_bulk_job(connection: Connection, job_id: str) -> BulkJob | None:
    """Return a job by its id."""
    return _job(connection.execute(select(bulk_jobs).where(bulk_jobs.c.id == job_id)).first())


def list_bulk_jobs(connection: Connection, team_id: str, limit: int, before: int | None = None) -> Page[BulkJob]:
    """Return a team's jobs, newest first."""
    of_team = select(bulk_jobs).where(bulk_jobs.c.team_id == team_id)
    return page_of(connection, of_team, table=bulk_jobs, limit=limit, before=before, value=bulk_job_rows.bulk_job)


def next_bulk_job(connection: Connection, after_seq: int) -> BulkJob | None:
    """Return the next job behind `after_seq`, or else the first, that is to be worked on; None if there is none.

    Teams take turns: of each only the oldest counts.
    """
    older = bulk_jobs.alias("older")
    running = BulkJobStatus.RUNNING
    is_oldest = ~exists().where(
        older.c.team_id == bulk_jobs.c.team_id, older.c.status == running, older.c.seq < bulk_jobs.c.seq
    )
    first = select(bulk_jobs).where(bulk_jobs.c.status == running, is_oldest).order_by(bulk_jobs.c.seq).limit(1)
    behind = connection.execute(first.where(bulk_jobs.c.seq > after_seq)).first()
    return _job(behind or connection.execute(first).first())


def _job(row: Row[Any] | None) -> BulkJob | None:
    return None if row is None else bulk_job_rows.bulk_job(row)
