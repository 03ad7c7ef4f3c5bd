"""Bulk jobs, as people ask for them: many deliveries resent or cancelled at once (contract "Bulk jobs")."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from daemon.actors.pacing import rest_after
from daemon.crypto.idempotency import Once
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.bulk_jobs import JOB_ID, BulkAction, BulkJob, BulkJobStatus, Choice
from daemon.domain.clock import Clock
from daemon.domain.delivery_filter import DeliveryFilter, filter_in_words
from daemon.domain.errors import TooManyDeliveries
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.store.job_commands import AddBulkJob, EndBulkJob
from daemon.store.reads import bulk_job_reads
from daemon.store.reads.time_blocks import highest_seq
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# A resend makes no more than one submission may, and each count ends.
MOST_DELIVERIES = 100_000
MOST_RUNNING = 5
KEPT_PER_TEAM = 1_000
_MOST_LOOKED_AT = 200_000
# To look at so many takes about 10 ms.
_AT_ONCE = 2_000
# The rest of the time, the store is free for others.
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    """How many deliveries are meant: at least `count`, if not exactly so many. `looked_at` rows were examined."""

    count: int
    is_exact: bool
    looked_at: int


class BulkJobs:
    """Counts deliveries, adds jobs and ends them. `wake` has the jobs worked on."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        kept_answers: KeptAnswers,
        audit: Audit,
        wake: Callable[[], None],
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._changes = telemetry.changes
        self._kept = kept_answers.kept
        self._audited = audit.audited
        self._wake = wake
        self._turns: dict[str, trio.Lock] = {}

    async def choose(
        self, team_id: str, action: BulkAction, wanted: DeliveryFilter, delivery_ids: tuple[str, ...] | None
    ) -> Choice:
        """Return which deliveries of the team are meant, of those that there are now: those named, or `wanted`."""
        through_seq = await self._reader.fetch(highest_seq, "deliveries")
        seqs = None
        if delivery_ids is not None:
            seqs = await self._reader.fetch(bulk_job_reads.own_seqs, team_id, delivery_ids)
        return Choice(team_id, action, wanted=wanted, seqs=seqs, through_seq=through_seq, asked_at=self._now_ms())

    async def count(self, choice: Choice) -> Count:
        """Count what is meant, up to MOST_DELIVERIES. A team's counts take turns: it cannot take all readers."""
        async with self._turn(choice.team_id):
            return await self._count(choice)

    @asynccontextmanager
    async def _turn(self, team_id: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(team_id, trio.Lock())
        try:
            async with turns:
                yield
        finally:
            if not (turns.locked() or turns.statistics().tasks_waiting):
                self._turns.pop(team_id, None)

    async def _count(self, choice: Choice) -> Count:
        count = looked_at = 0
        after_seq: int | None = 0
        while after_seq is not None and count <= MOST_DELIVERIES and looked_at < _MOST_LOOKED_AT:
            began_at = trio.current_time()
            part = await self._reader.fetch(
                bulk_job_reads.next_deliveries, choice, after_seq=after_seq, limit=_AT_ONCE, look_at=_AT_ONCE
            )
            count, looked_at, after_seq = count + len(part.found), looked_at + part.looked_at, part.next_after_seq
            if after_seq is not None:
                await rest_after(began_at, share=_SHARE)
        is_exact = after_seq is None and count <= MOST_DELIVERIES
        return Count(min(count, MOST_DELIVERIES), is_exact, looked_at)

    async def create(
        self, choice: Choice, counted: Count, *, once: Once[BulkJob] | None = None, by: Actor = THE_DAEMON
    ) -> BulkJob:
        """Add a job for what was counted. Raises TooManyDeliveries for a resend of too many, TooManyBulkJobs."""
        if choice.action is BulkAction.RESEND and not counted.is_exact:
            raise TooManyDeliveries(MOST_DELIVERIES)
        job = self._new_job(choice, counted, by)
        add = self._audited(
            AddBulkJob(job, MOST_RUNNING, KEPT_PER_TEAM),
            by,
            AuditAction.BULK_JOB_CREATED,
            team_id=job.team_id,
            subject_id=job.id,
            does=job.action,
            count=job.total,
            **({} if job.by_id else {"filter": filter_in_words(choice.wanted)}),
        )
        await self._writer.execute(self._kept(add, once, lambda _: job), lambda _: self._wake())
        self._changes.publish(job.team_id, job.id)
        self._log.info("bulk_job_created", jobId=job.id, teamId=job.team_id, action=job.action, count=job.total)
        return job

    def _new_job(self, choice: Choice, counted: Count, by: Actor) -> BulkJob:
        return BulkJob(
            seq=0,
            id=self._new_id(JOB_ID),
            choice=choice,
            by_id=choice.seqs is not None,
            status=BulkJobStatus.RUNNING,
            total=counted.count if counted.is_exact else None,
            done=0,
            after_seq=0,
            created_at=choice.asked_at,
            ended_at=None,
            key_id=by.key_id,
            key_name=by.key_name,
        )

    async def end(self, job: BulkJob, by: Actor = THE_DAEMON) -> BulkJob:
        """End a job that is not over, and return it as it is then; what it has done stays."""
        end = EndBulkJob(job.id, self._now_ms())
        audited = self._audited(end, by, AuditAction.BULK_JOB_CANCELLED, team_id=job.team_id, subject_id=job.id)
        if await self._writer.execute(audited):
            self._changes.publish(job.team_id, job.id)
            self._log.info("bulk_job_cancelled", jobId=job.id, teamId=job.team_id, action=job.action)
        return await self._reader.fetch(bulk_job_reads.get_bulk_job, job.id) or job
