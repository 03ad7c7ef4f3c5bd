"""The actor that works on bulk jobs, page by page (contract "Bulk jobs").

Teams take turns with their pages, and a team's jobs come one after the other.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from daemon.delivery.owners import Owners
from daemon.domain.bulk_jobs import BulkAction, BulkJob
from daemon.domain.changes import CancelDeliveries
from daemon.domain.clock import Clock
from daemon.domain.model import DeliveryStatus
from daemon.management.paged_work import PagedWork
from daemon.management.webhook_changer import WebhookChanger
from daemon.store.job_commands import MoveBulkJob, MovedJob
from daemon.store.reads import bulk_job_reads
from daemon.store.reads.bulk_job_reads import Stretch
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# To queue so many takes about 10 ms.
_RESENT_AT_ONCE = 250
# These are cancelled by their webhooks' actors, each its own.
_CANCELLED_AT_ONCE = 500
_LOOK_AT = 2_000


class BulkRunner:
    """Wakes the owners of the webhooks that deliveries were queued for."""

    def __init__(self, *, store: Store, clock: Clock, telemetry: Telemetry, owners: Owners) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._metrics = telemetry.metrics
        self._changes = telemetry.changes
        self._owners = owners
        self._work = PagedWork(store=store, log=telemetry.log, read_next=self._next)

    def wake(self) -> None:
        """Look for jobs: there may be a new one."""
        self._work.wake()

    async def run(self, changer: WebhookChanger) -> None:
        """Work on whatever is left, until cancelled; `changer` has webhooks' actors cancel their deliveries."""
        await self._work.run(partial(self._do_page, changer))

    async def _next(self, behind_seq: int) -> BulkJob | None:
        return await self._reader.fetch(bulk_job_reads.next_bulk_job, behind_seq)

    async def _do_page(self, changer: WebhookChanger, job: BulkJob) -> None:
        """Do the next page of a job."""
        is_resend = job.action is BulkAction.RESEND
        read = partial(
            self._reader.fetch,
            bulk_job_reads.next_deliveries,
            job.choice,
            after_seq=job.after_seq,
            limit=_RESENT_AT_ONCE if is_resend else _CANCELLED_AT_ONCE,
            look_at=_LOOK_AT,
        )
        page: Stretch = await retry_until_available(read, self._log)
        if is_resend:
            await self._move(job, page, seqs=tuple(seq for seq, _ in page.found))
        elif await self._cancel_all(job, _by_webhook(page), changer):
            await self._move(job, page, seqs=())

    async def _cancel_all(self, job: BulkJob, seqs: Mapping[str, Sequence[int]], changer: WebhookChanger) -> bool:
        """Have these cancelled; return False after a while if some could not be, and are to be tried again."""
        now = self._now_ms()
        changes = {webhook_id: CancelDeliveries(job.id, tuple(some), now) for webhook_id, some in seqs.items()}
        return await self._work.have_changed(changer, job.id, changes)

    async def _move(self, job: BulkJob, page: Stretch, seqs: tuple[int, ...]) -> None:
        """Move the job on behind this page, resending these; what was done before is not done again."""
        webhooks = {webhook_id for _, webhook_id in page.found}
        move = MoveBulkJob(
            job.id,
            job.after_seq,
            next_after_seq=page.next_after_seq,
            now=self._now_ms(),
            seqs=seqs,
            new_ids=tuple(self._new_id("dlv") for _ in seqs),
        )
        execute = partial(self._writer.execute, move, partial(self._queued, webhooks if seqs else ()))
        moved = await retry_until_available(execute, self._log)
        if moved is not None:
            self._tell(job, webhooks, moved)

    def _queued(self, webhook_ids: Collection[str], moved: MovedJob | None) -> None:
        """Follow what was committed. If nothing was, an earlier try may have been, unnoticed."""
        if moved is not None:
            self._metrics.deliveries[DeliveryStatus.PENDING].inc(moved.resent)
        self._owners.wake(webhook_ids)

    def _tell(self, job: BulkJob, webhook_ids: Collection[str], moved: MovedJob) -> None:
        for subject_id in (job.id, *webhook_ids):
            self._changes.publish(job.team_id, subject_id)
        if moved.is_over:
            owner = {"jobId": job.id, "teamId": job.team_id}
            took_ms = max(0, self._now_ms() - job.created_at)
            self._log.info("bulk_job_finished", **owner, action=job.action, count=moved.done, durationMs=took_ms)


def _by_webhook(page: Stretch) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for seq, webhook_id in page.found:
        found[webhook_id].append(seq)
    return found
