"""The actor that does what is left of erasures: deliveries that wait are cancelled, what was answered is emptied.

An event's body goes first, in the transaction that begins the erasure, so whoever reads it later finds it empty, and
cancels its delivery. What has it in memory already are the actors of its webhooks: each is told, and cancels what
waits. One in flight is noted: its actor keeps nothing of what is answered. All else is recorded when the actor has
answered, and is emptied then.
"""

from collections.abc import Callable
from functools import partial

from daemon.domain.changes import EraseDeliveries
from daemon.domain.clock import Clock
from daemon.domain.erasures import Erasure
from daemon.management.paged_work import PagedWork
from daemon.management.webhook_changer import WebhookChanger
from daemon.store.erasure_commands import EraseAnswers
from daemon.store.reads import erasure_reads
from daemon.store.reads.erasure_reads import ErasedPage
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# To empty so many takes about 10 ms.
_AT_ONCE = 100


class Eraser:
    """`on_erased` is called when an erasure is over: what it has overwritten may still be in the database's log."""

    def __init__(self, *, store: Store, clock: Clock, telemetry: Telemetry, on_erased: Callable[[], None]) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._changes = telemetry.changes
        self._on_erased = on_erased
        self._work = PagedWork(store=store, log=telemetry.log, read_next=self._next)

    def wake(self) -> None:
        """Look for erasures: there may be a new one."""
        self._work.wake()

    async def run(self, changer: WebhookChanger) -> None:
        """Work on whatever is left, until cancelled; `changer` tells webhooks' actors."""
        await self._work.run(partial(self._do_page, changer))

    async def _next(self, behind_seq: int) -> Erasure | None:
        return await self._reader.fetch(erasure_reads.next_erasure, behind_seq)

    async def _do_page(self, changer: WebhookChanger, erasure: Erasure) -> None:
        """Do the next page of an erasure."""
        read = partial(
            self._reader.fetch, erasure_reads.deliveries_to_erase, erasure.event_id, erasure.after_seq, _AT_ONCE
        )
        page: ErasedPage = await retry_until_available(read, self._log)
        now = self._now_ms()
        changes = {webhook_id: EraseDeliveries(tuple(seqs), now) for webhook_id, seqs in page.pending.items()}
        # Those who could not be told after all find an empty body.
        if not await self._work.have_changed(changer, erasure.event_id, changes):
            return
        erase = EraseAnswers(erasure.event_id, tuple(page.seqs), page.next_after_seq)
        await retry_until_available(partial(self._writer.execute, erase), self._log)
        for subject_id in (erasure.event_id, *page.pending):
            self._changes.publish(erasure.team_id, subject_id)
        if page.next_after_seq is None:
            self._log.info("event_erasure_finished", eventId=erasure.event_id, teamId=erasure.team_id)
            self._on_erased()
