"""The actor that does what is left of erasures: deliveries that wait are cancelled, what was answered is emptied.

How far an erasure is, is in the database: a restart goes on with it, and so does the node that takes over. Each step
may be repeated. Erasures take turns with their pages.

An event's body goes first, in the transaction that begins the erasure, so whoever reads it later finds it empty, and
cancels its delivery. What has it in memory already are the actors of its webhooks: each is told, and cancels what
waits. One in flight is noted: its actor keeps nothing of what is answered. All else is recorded when the actor has
answered, and is emptied then.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import trio

from daemon.actors.pacing import rest_after
from daemon.domain.changes import EraseDeliveries
from daemon.domain.clock import Clock
from daemon.domain.erasures import Erasure
from daemon.management.webhook_changer import WebhookChanger, change_each
from daemon.store.commands import ProbeWrite
from daemon.store.erasure_commands import EraseAnswers
from daemon.store.reads import erasure_reads
from daemon.store.reads.erasure_reads import ErasedPage
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# To empty so many takes about 10 ms.
_AT_ONCE = 100
# The rest of the time, the store is free for others.
_SHARE = 0.5
_SHORTEST_REST_S = 0.005
_TRY_AGAIN_S = 1.0
# So often a page is tried while the store works: a webhook whose actor keeps crashing holds nobody up for ever.
_TRIES = 5


class Eraser:
    """`on_erased` is called when an erasure is over: what it has overwritten may still be in the database's log."""

    def __init__(self, *, store: Store, clock: Clock, telemetry: Telemetry, on_erased: Callable[[], None]) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._changes = telemetry.changes
        self._on_erased = on_erased
        self._tries: Counter[str] = Counter()
        self._wake = trio.Event()

    def wake(self) -> None:
        """Look for erasures: there may be a new one."""
        self._wake.set()

    async def run(self, changer: WebhookChanger) -> None:
        """Work on whatever is left, until cancelled; `changer` tells webhooks' actors."""
        after_seq = 0
        while True:
            self._wake = trio.Event()
            began_at = trio.current_time()
            read = partial(self._reader.fetch, erasure_reads.next_erasure, after_seq)
            erasure = await retry_until_available(read, self._log)
            if erasure is None:
                await self._wake.wait()
                continue
            after_seq = erasure.seq
            await self._work_on(erasure, changer)
            await rest_after(began_at, share=_SHARE, at_least_s=_SHORTEST_REST_S)

    async def _work_on(self, erasure: Erasure, changer: WebhookChanger) -> None:
        """Do the next page of an erasure."""
        read = partial(
            self._reader.fetch, erasure_reads.deliveries_to_erase, erasure.event_id, erasure.after_seq, _AT_ONCE
        )
        page: ErasedPage = await retry_until_available(read, self._log)
        if not await self._actors_know(erasure, page.pending, changer):
            return
        erase = EraseAnswers(erasure.event_id, tuple(page.seqs), page.next_after_seq)
        await retry_until_available(partial(self._writer.execute, erase), self._log)
        for subject_id in (erasure.event_id, *page.pending):
            self._changes.publish(erasure.team_id, subject_id)
        if page.next_after_seq is None:
            self._log.info("event_erasure_finished", eventId=erasure.event_id, teamId=erasure.team_id)
            self._on_erased()

    async def _actors_know(
        self, erasure: Erasure, pending: Mapping[str, Sequence[int]], changer: WebhookChanger
    ) -> bool:
        """Have these cancelled; return False if some could not be, and are to be tried again."""
        now = self._now_ms()
        changes = {webhook_id: EraseDeliveries(tuple(seqs), now) for webhook_id, seqs in pending.items()}
        if await change_each(changer, changes):
            self._tries.pop(erasure.event_id, None)
            return True
        await trio.sleep(_TRY_AGAIN_S)
        await retry_until_available(partial(self._writer.execute, ProbeWrite()), self._log)
        self._tries[erasure.event_id] += 1
        if self._tries[erasure.event_id] < _TRIES:
            return False
        del self._tries[erasure.event_id]
        return True  # whose body is read by nobody any more
