"""Writes: bulk jobs, page by page, each with the progress that it makes (contract "Bulk jobs").

A resend moves its job on in the transaction that queues the page, and only from where it stands: no delivery is resent
twice for a job, whatever is repeated. A cancellation is counted in the transaction that makes it: what is cancelled is
not pending any more, so that a page may be repeated.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from daemon.domain.bulk_jobs import BulkJobStatus
from daemon.domain.errors import TooManyBulkJobs
from daemon.domain.model import CancelReason, Origin
from daemon.store import bulk_job_rows
from daemon.store.bulk import Row as NewRow
from daemon.store.commands import Cancelled
from daemon.store.job_commands import AddBulkJob, CancelForJob, EndBulkJob, MoveBulkJob, MovedJob
from daemon.store.schema import bulk_jobs, deliveries, events, teams, webhooks
from daemon.store.sequences import Sequences
from daemon.store.writes.cancelling_some import cancel_named
from daemon.store.writes.events import delivery_row, insert_requeued

# So many more are deleted than came: another node may have added some.
_OVER_AT_ONCE = 10
_RUNNING = BulkJobStatus.RUNNING


def add_bulk_jobs(
    connection: Connection, commands: Sequence[AddBulkJob], _sequences: Sequences
) -> list[TooManyBulkJobs | None]:
    """Keep new jobs, up to each team's limit."""
    return [_add(connection, command) for command in commands]


def _add(connection: Connection, command: AddBulkJob) -> TooManyBulkJobs | None:
    team_id = command.job.team_id
    # Locked: two nodes may add a job of the team at once.
    connection.execute(select(teams.c.seq).where(teams.c.id == team_id).with_for_update())
    of_team = select(bulk_jobs.c.seq).where(bulk_jobs.c.team_id == team_id)
    running = of_team.where(bulk_jobs.c.status == _RUNNING).limit(command.limit)
    if connection.execute(select(func.count()).select_from(running.subquery())).scalar_one() >= command.limit:
        return TooManyBulkJobs(command.limit)
    connection.execute(insert(bulk_jobs).values(bulk_job_rows.bulk_job_row(command.job)))
    oldest_kept = of_team.order_by(bulk_jobs.c.seq.desc()).offset(command.kept - 1).limit(1).scalar_subquery()
    over = of_team.where(bulk_jobs.c.seq < oldest_kept, bulk_jobs.c.status != _RUNNING)
    some = over.order_by(bulk_jobs.c.seq).limit(_OVER_AT_ONCE)
    connection.execute(delete(bulk_jobs).where(bulk_jobs.c.seq.in_(some)))
    return None


def end_bulk_jobs(connection: Connection, commands: Sequence[EndBulkJob], _sequences: Sequences) -> list[bool]:
    """End jobs that are not over."""
    return [_end(connection, command.job_id, status=BulkJobStatus.CANCELLED, now=command.now) for command in commands]


def _end(connection: Connection, job_id: str, status: BulkJobStatus, now: int) -> bool:
    this = bulk_jobs.c.id == job_id, bulk_jobs.c.status == _RUNNING
    return (
        connection.execute(update(bulk_jobs).where(*this).values(status=status, ended_at=now, seqs=None)).rowcount > 0
    )


def move_bulk_jobs(
    connection: Connection, commands: Sequence[MoveBulkJob], sequences: Sequences
) -> list[MovedJob | None]:
    """Resend pages of jobs, and move the jobs on."""
    return [_move(connection, command, sequences) for command in commands]


def _move(connection: Connection, command: MoveBulkJob, sequences: Sequences) -> MovedJob | None:
    job = _locked(connection, command.job_id)
    if job is None or job.after_seq != command.after_seq:
        return None
    resent = _resend(connection, command, sequences) if command.seqs else 0
    done, is_over = job.done + resent, command.next_after_seq is None
    after_seq = job.through_seq if command.next_after_seq is None else command.next_after_seq
    this = bulk_jobs.c.id == command.job_id
    connection.execute(update(bulk_jobs).where(this).values(done=done, after_seq=after_seq))
    if is_over:
        _end(connection, command.job_id, status=BulkJobStatus.FINISHED, now=command.now)
    return MovedJob(resent, done=done, is_over=is_over)


def _locked(connection: Connection, job_id: str) -> Row[int, int, int] | None:
    """Return the job if it is not over, held until the commit: nobody else moves it meanwhile."""
    columns = select(bulk_jobs.c.after_seq, bulk_jobs.c.through_seq, bulk_jobs.c.done)
    this = columns.where(bulk_jobs.c.id == job_id, bulk_jobs.c.status == _RUNNING)
    return connection.execute(this.with_for_update()).first()


def _resend(connection: Connection, command: MoveBulkJob, sequences: Sequences) -> int:
    these = select(deliveries).join(events, events.c.id == deliveries.c.event_id).where(events.c.erased_at.is_(None))
    found = connection.execute(these.where(deliveries.c.seq.in_(command.seqs)).order_by(deliveries.c.seq)).all()
    # Other nodes that queue something again for these wait, or change them: in order, so that none waits for another.
    theirs = webhooks.c.id.in_({row.webhook_id for row in found})
    takers = select(webhooks.c.id, webhooks.c.active, webhooks.c.deleted_at).where(theirs).order_by(webhooks.c.id)
    active = {row.id for row in connection.execute(takers.with_for_update()) if row.active and row.deleted_at is None}
    resent = [row for row in found if row.webhook_id in active]
    seqs = sequences.take_deliveries(connection, len(resent))
    insert_requeued(connection, list(_copies(resent, command, seqs)))
    return len(resent)


def _copies(resent: Sequence[Row[Any]], command: MoveBulkJob, seqs: Iterator[int]) -> Iterator[NewRow]:
    for old, new_id in zip(resent, command.new_ids, strict=False):
        row = delivery_row(
            next(seqs),
            new_id,
            event_id=old.event_id,
            event_type=old.event_type,
            webhook_id=old.webhook_id,
            team_id=old.team_id,
            now=command.now,
            test=int(old.test),
        )
        yield (*row, Origin.RESEND.value, old.id)


def cancel_for_jobs(connection: Connection, commands: Sequence[CancelForJob], _sequences: Sequences) -> list[Cancelled]:
    """Cancel deliveries of webhooks for jobs, and count them."""
    return [_cancel(connection, command) for command in commands]


def _cancel(connection: Connection, command: CancelForJob) -> Cancelled:
    if _locked(connection, command.job_id) is None:
        return Cancelled()
    these = [seq for seq in command.seqs if seq not in command.in_flight_seqs]
    cancelled = cancel_named(connection, command.webhook.id, these, reason=CancelReason.REQUESTED, now=command.now)
    if cancelled.count:
        this = bulk_jobs.c.id == command.job_id
        connection.execute(update(bulk_jobs).where(this).values(done=bulk_jobs.c.done + cancelled.count))
    return cancelled
