"""The changing task of an endpoint actor: edits, pauses, disabling, deletion.

For how it works together with the delivering task, see `daemon.delivery.endpoint`.
"""

from collections.abc import Callable
from functools import partial

from daemon.delivery.endpoint_state import EndpointState
from daemon.delivery.mailbox import Change, Mailbox
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.changes import CancelDeliveries, CancelSome, EraseDeliveries, ExpireDeliveries, apply_change
from daemon.domain.clock import Clock
from daemon.domain.errors import DaemonError, StoreUnavailable
from daemon.domain.lifecycle import cancel_reason_of
from daemon.domain.model import CancelReason, Webhook, Work
from daemon.domain.policy import reschedules
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import Cancelled, SaveWebhook
from daemon.store.expiry_commands import CancelForEvent
from daemon.store.job_commands import CancelForJob
from daemon.store.retry import retry_until_available
from daemon.store.store import Store


class WebhookChanges:
    """Applies changes between two steps of a delivery, and cancels pending ones when the webhook takes no more.

    `renew_secrets` seals a webhook's secrets anew if another key seals by now: nothing that the former one sealed is
    written back. `on_change` is called for each change, `on_cancellations_left` when deliveries are left to be
    cancelled later.
    """

    __slots__ = (
        "_clock",
        "_log",
        "_mailbox",
        "_on_change",
        "_on_more_to_cancel",
        "_queue",
        "_renew_secrets",
        "_state",
        "_writer",
    )

    def __init__(
        self,
        state: EndpointState,
        mailbox: Mailbox,
        queue: WorkQueue,
        *,
        store: Store,
        clock: Clock,
        log: DeliveryLog,
        renew_secrets: Callable[[Webhook], Webhook],
        on_change: Callable[[Webhook], None],
        on_cancellations_left: Callable[[], None],
    ) -> None:
        self._state = state
        self._mailbox = mailbox
        self._queue = queue
        self._writer = store.writer
        self._clock = clock
        self._log = log
        self._renew_secrets = renew_secrets
        self._on_change = on_change
        self._on_more_to_cancel = on_cancellations_left

    async def run(self) -> None:
        """Apply each change as it comes, until cancelled."""
        while True:
            await self._mailbox.wait_for_change()
            await self.apply_all()

    async def apply_all(self) -> None:
        """Apply the changes that wait, in order."""
        while self._mailbox.changes:
            async with self._state.transition:
                await self._state.outcomes.all_committed()
                # Taken out only now: every change that is taken out is applied, or answered with an error.
                await self._answer(self._mailbox.changes.popleft())

    async def cancel_pending(self) -> None:
        """Cancel what was accepted while the webhook was being disabled or deleted, unless it is enabled by now."""
        async with self._state.transition:
            webhook = self._state.webhook
            self._queue.clear()
            if (reason := cancel_reason_of(webhook)) is None:
                return
            cancel = CancelPending(webhook.id, reason, self._clock.now_ms(), in_flight_seqs=self._state.in_flight_seqs)
            write = partial(self._writer.execute, cancel, self._after_cancelling)
            cancelled = await retry_until_available(write, self._log.log)
        await self._log.cancelled(webhook, cancelled, reason)

    async def cancel_over(self, work: Work, reason: CancelReason) -> None:
        """Cancel a delivery whose event had expired, or was erased, when its turn came."""
        async with self._state.transition:
            webhook = self._state.webhook
            cancel = CancelForEvent(webhook, (work.seq,), (), reason=reason, now=self._clock.now_ms())
            cancelled = await retry_until_available(partial(self._writer.execute, cancel), self._log.log)
        await self._log.cancelled(webhook, cancelled, reason)

    async def _answer(self, change: Change) -> None:
        if change.abandoned:
            return
        try:
            change.reply.settle(await self._apply(change))
        except DaemonError as error:  # refused or impossible: nothing is changed
            change.reply.settle(error)
        except BaseException:
            change.reply.settle(StoreUnavailable("the webhook's actor crashed: check the webhook, then try again"))
            raise

    async def _apply(self, change: Change) -> Webhook | None:
        state = self._state
        if isinstance(change.what, EraseDeliveries):  # also of a deleted one, of which an attempt may be in flight
            return await self._cancel_some(change, change.what)
        if state.webhook.deleted_at is not None:
            return None
        if isinstance(change.what, CancelDeliveries | ExpireDeliveries):
            return await self._cancel_some(change, change.what)
        webhook = self._renew_secrets(apply_change(state.webhook, change.what))
        reason = cancel_reason_of(webhook)
        save = SaveWebhook(webhook, reason, in_flight_seqs=state.in_flight_seqs, now=self._clock.now_ms())
        cancelled = await self._writer.execute(change.wrap(save), self._after_cancelling)
        waits_differently = reschedules(state.webhook.options, webhook.options)
        state.webhook = webhook
        self._on_change(webhook)
        if reason or state.is_paused or waits_differently:
            self._queue.clear()  # drop what was read ahead
            state.drop_waiting()
        state.reads_anew |= state.is_paused or waits_differently
        state.tell_resumed()
        if reason:
            await self._log.cancelled(webhook, cancelled, reason)
        return webhook

    async def _cancel_some(self, change: Change, asked: CancelSome) -> Webhook:
        """Cancel some of what waits. What was read ahead is read again: as a new life reads it, without them."""
        state = self._state
        command, reason = self._cancelling(asked)
        if reason is CancelReason.ERASED:
            state.note_erased(asked.seqs)
        cancelled = None
        try:
            cancelled = await self._writer.execute(change.wrap(command))
        finally:
            if cancelled is None or cancelled.count:  # None: whether it was committed is not known
                self._queue.clear()
                state.drop_waiting()
                state.reads_anew = True
        await self._log.cancelled(state.webhook, cancelled, reason)
        return state.webhook

    def _cancelling(self, asked: CancelSome) -> tuple[CancelForJob | CancelForEvent, CancelReason]:
        webhook, in_flight, now = self._state.webhook, self._state.in_flight_seqs, self._clock.now_ms()
        if isinstance(asked, CancelDeliveries):
            for_job = CancelForJob(webhook, asked.job_id, asked.seqs, in_flight_seqs=in_flight, now=now)
            return for_job, CancelReason.REQUESTED
        reason = CancelReason.EXPIRED if isinstance(asked, ExpireDeliveries) else CancelReason.ERASED
        return CancelForEvent(webhook, asked.seqs, in_flight, reason=reason, now=now), reason

    def _after_cancelling(self, cancelled: Cancelled) -> None:
        if cancelled.more:
            self._on_more_to_cancel()
