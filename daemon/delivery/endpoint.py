"""The endpoint actor: one webhook, one delivery at a time, in order (architecture "The way of one event", 4).

Two tasks share it: one delivers, one makes changes to the webhook. What both touch changes under `_transition` only,
so that no rule races with a delivery in flight; no attempt and no wait ever holds it.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.actors.retry import retry_until_available
from daemon.crypto.vault import Opener, Vault
from daemon.delivery.attempt import make_attempt
from daemon.delivery.attempt_slots import AttemptSlots
from daemon.delivery.credit_gate import CreditGate
from daemon.delivery.mailbox import Change, Mailbox
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.clock import NowMs
from daemon.domain.errors import DaemonError, StoreUnavailable
from daemon.domain.lifecycle import (
    Policy,
    Verdict,
    after_verdict,
    cancel_reason_of,
    failed_deliveries,
    judge,
    remaining_backoff_s,
)
from daemon.domain.model import Attempt, DeliveryStatus, Outcome, OutcomeKind, Webhook, Work
from daemon.egress.transport import Transport
from daemon.store.commands import Cancelled, CancelPending, RecordAttempt, Recorded, SaveWebhook
from daemon.store.reader import Reader
from daemon.store.reads import actor_reads
from daemon.store.writer import Writer


@dataclass(frozen=True, slots=True)
class EndpointParts:
    """What every endpoint actor works with. `price` is in credits, the times in seconds."""

    reader: Reader
    writer: Writer
    vault: Vault
    gate: CreditGate
    make_transport: Callable[[], Transport]
    slots: AttemptSlots
    policy: Policy
    timeout_s: float
    idle_s: float
    idle_connection_s: float
    price: int
    now_ms: NowMs
    new_id: Callable[[str], str]
    on_change: Callable[[Webhook], None]
    on_mail: Callable[[], None]
    on_more_to_cancel: Callable[[], None]
    log: DeliveryLog


class Endpoint:
    """One life of one webhook's actor, from the webhook's row and its first page of work as they were at the start."""

    def __init__(
        self,
        parts: EndpointParts,
        webhook: Webhook,
        page: Sequence[Work],
        mailbox: Mailbox,
        pause: Pause,
        page_limit: Callable[[], int],
    ) -> None:
        self._parts = parts
        self._webhook = webhook
        self._mailbox = mailbox
        self._pause = pause
        self._queue = WorkQueue(mailbox, self._read_pending, page_limit, page)
        self._transport = parts.make_transport()
        self._slot = parts.slots.slot(self._transport.close)
        self._transition = Mutex()
        self._opener = Opener(parts.vault)
        self._current: Work | None = None
        self._in_flight = False

    async def run(self, retire: Callable[[], None]) -> None:
        """Deliver what is pending and what comes, until idle for `idle_s` or the pause is closed.

        Before an idle actor ends it calls `retire`, with nothing in its mailbox and no await in between.
        """
        with closing(self._slot), closing(self._transport):
            # First what waits already: a webhook that crashes at every attempt can be edited or disabled all the same.
            await self._make_changes()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._apply_changes)
                await self._deliver(retire)
                nursery.cancel_scope.cancel()

    # -- delivering

    async def _deliver(self, retire: Callable[[], None]) -> None:
        while not self._pause.closed:
            work = await self._queue.next()
            if work is not None:
                await self._process(work)
            elif not await self._idle():
                async with self._transition:
                    if self._mailbox.empty:
                        retire()
                        return

    async def _idle(self) -> bool:
        """Wait for work up to `idle_s`, at first with the connection kept; return whether there may be some."""
        kept_s = min(self._parts.idle_connection_s, self._parts.idle_s)
        if await self._pause.wait(kept_s, self._mailbox.wait_for_work):
            return True
        self._transport.close()
        self._slot.close()
        return await self._pause.wait(self._parts.idle_s - kept_s, self._mailbox.wait_for_work)

    async def _read_pending(self, limit: int) -> Sequence[Work]:
        read = partial(self._parts.reader.fetch_together, actor_reads.pending_work, self._webhook.id, limit)
        return await retry_until_available(read, self._parts.log.log)

    async def _process(self, work: Work) -> None:
        """Bring one delivery to its end; leave it pending when told to stop."""
        if cancel_reason_of(self._webhook):
            await self._cancel_pending()
            return
        self._current = work
        now = self._parts.now_ms()
        await self._pause.wait(remaining_backoff_s(self._parts.policy, work.attempts_made, work.next_attempt_at, now))
        if self._is_due(work) and await self._reserve_credits(work):
            charged = None
            try:
                charged = await self._attempt_until_over(work)
            finally:
                self._parts.gate.settle(self._webhook.team_id, charged=charged)

    async def _reserve_credits(self, work: Work) -> bool:
        """Wait until the team can pay; False if the delivery was cancelled, or the daemon stops, meanwhile."""
        gate, team_id = self._parts.gate, self._webhook.team_id
        if not gate.enforced:
            return True
        on_wait = partial(self._parts.log.waiting_for_credits, self._webhook, work)
        if not await self._pause.wait(math.inf, partial(gate.reserve, team_id, on_wait)):
            return False
        if self._is_due(work):
            return True
        gate.settle(team_id, charged=False)
        return False

    async def _attempt_until_over(self, work: Work) -> bool:
        """Make attempt after attempt while the delivery is due; return whether it succeeded."""
        with_body = await self._with_body(work)
        number = work.attempts_made + 1
        while await self._begins(work, number):
            verdict, ended_at = await self._attempt(with_body, number)
            number += verdict.counted
            if verdict.retry_in_s is None:
                return verdict.status is DeliveryStatus.SUCCEEDED
            await self._pause.wait(ended_at + verdict.retry_in_s - trio.current_time())
        return False

    async def _with_body(self, work: Work) -> Work:
        if work.body is not None:
            return work
        read = partial(self._parts.reader.fetch_together, actor_reads.event_body, work.event_id)
        return replace(work, body=await retry_until_available(read, self._parts.log.log))

    async def _begins(self, work: Work, number: int) -> bool:
        """Put the delivery in flight if it is due still: a change under way may be just about to cancel it.

        Its turn comes first: neither the attempt, nor its deadline, nor the time that it signs has begun while it waits
        for a slot or for a place to look up the name.
        """
        team_id, failing = self._webhook.team_id, number > 1 or self._webhook.consecutive_failures > 0
        if not self._is_due(work):
            return False
        if not self._slot.try_take(team_id, failing) and not await self._wait_for_slot(team_id, failing):
            return False
        try:
            if self._transport.keeps_connection or await self._prepare_transport():
                async with self._transition:
                    self._in_flight = self._is_due(work)
        finally:
            if not self._in_flight:
                self._transport.close()
                self._slot.give_back()
        return self._in_flight

    async def _prepare_transport(self) -> bool:
        """Wait until a connection may be opened; False if the wait was broken off."""
        prepare = partial(self._transport.prepare, self._webhook.url, self._webhook.team_id)
        return await self._pause.wait(math.inf, prepare)

    async def _wait_for_slot(self, team_id: str, failing: bool) -> bool:
        """Wait for a slot; False if the delivery was cancelled, or the daemon stops, meanwhile."""
        return await self._pause.wait(math.inf, partial(self._slot.take, team_id, failing))

    def _is_due(self, work: Work) -> bool:
        return self._current is work and not self._pause.closed

    async def _attempt(self, work: Work, number: int) -> tuple[Verdict, float]:
        """Make one attempt and commit what follows. Return the verdict, and when the attempt ended (Trio's clock)."""
        started_at = self._parts.now_ms()
        try:
            outcome = await self._send(work, number, started_at)
            ended_at = trio.current_time()
            self._slot.give_back(self._transport.keeps_connection)
            async with self._transition:
                return await self._settle(work, Attempt(number, started_at, outcome)), ended_at
        finally:
            self._in_flight = False
            self._slot.give_back()

    async def _send(self, work: Work, number: int, started_at: int) -> Outcome:
        parts, webhook, started = self._parts, self._webhook, trio.current_time()
        # A secret that cannot be opened raises: better parked, where it is seen and mended, than delivered unsigned.
        secrets = self._opener.secrets_of(webhook, started_at)
        try:
            return await make_attempt(
                self._transport,
                webhook,
                work,
                number,
                timeout_s=parts.timeout_s,
                timestamp_s=started_at // 1000,
                secrets=secrets,
            )
        except trio.Cancelled:
            duration_ms = round((trio.current_time() - started) * 1000)
            outcome = Outcome(OutcomeKind.INTERRUPTED, duration_ms, error="the daemon stopped meanwhile")
            parts.log.interrupted(self._webhook, work, Attempt(number, parts.now_ms(), outcome))
            raise

    async def _settle(self, work: Work, attempt: Attempt) -> Verdict:
        parts, webhook, now = self._parts, self._webhook, self._parts.now_ms()
        verdict = judge(
            parts.policy, attempt.number, attempt.outcome, webhook.consecutive_failures, cancel_reason_of(webhook)
        )
        if not verdict.counted:
            parts.log.interrupted(webhook, work, attempt)
            return verdict
        if verdict.disable:
            self._queue.clear()
        command = self._record(work, attempt, verdict, now)
        then = self._after_disabling if verdict.disable else None
        recorded = await retry_until_available(partial(parts.writer.execute, command, then), parts.log.log)
        self._webhook = after_verdict(webhook, verdict, now)
        parts.log.attempt_ended(self._webhook, work, attempt, verdict)
        if verdict.disable:
            parts.on_change(self._webhook)
            if recorded.mail_queued:
                parts.on_mail()
            await parts.log.webhook_disabled(self._webhook, recorded, command.mail_id)
        return verdict

    def _record(self, work: Work, attempt: Attempt, verdict: Verdict, now: int) -> RecordAttempt:
        return RecordAttempt(
            webhook_id=self._webhook.id,
            team_id=self._webhook.team_id,
            delivery_id=work.delivery_id,
            seq=work.seq,
            attempt=attempt,
            failures_before=self._webhook.consecutive_failures,
            verdict=verdict,
            next_attempt_at=None if verdict.retry_in_s is None else now + round(verdict.retry_in_s * 1000),
            charge=self._parts.price,
            now=now,
            entry_id=self._parts.new_id("crd") if verdict.status is DeliveryStatus.SUCCEEDED else None,
            mail_id=self._parts.new_id("mail") if verdict.disable else None,
            failures_shown=failed_deliveries(self._parts.policy, verdict.consecutive_failures),
        )

    # -- changing

    async def _apply_changes(self) -> None:
        while True:
            await self._mailbox.wait_for_change()
            await self._make_changes()

    async def _make_changes(self) -> None:
        while self._mailbox.changes:
            async with self._transition:
                # Taken out only now: a change that is taken out is made, or answered with an error.
                await self._answer(self._mailbox.changes.popleft())

    async def _answer(self, change: Change) -> None:
        if change.abandoned:
            return
        try:
            change.reply.settle(await self._make(change))
        except DaemonError as error:  # refused or impossible: nothing is changed
            change.reply.settle(error)
        except BaseException:
            change.reply.settle(StoreUnavailable("the webhook's actor crashed in the middle of it: look and repeat"))
            raise

    async def _make(self, change: Change) -> Webhook | None:
        if self._webhook.deleted_at is not None:
            return None
        webhook = change.apply(self._webhook)
        in_flight_seq = self._current.seq if self._current and self._in_flight else None
        reason = cancel_reason_of(webhook)
        save = SaveWebhook(webhook, reason, in_flight_seq, self._parts.now_ms())
        cancelled = await self._parts.writer.execute(change.wrap(save), self._after_cancelling)
        self._webhook = webhook
        self._parts.on_change(webhook)
        if reason:
            self._queue.clear()  # what was read until now
            self._drop_current()
            await self._parts.log.cancelled(webhook, cancelled, reason)
        return webhook

    def _drop_current(self) -> None:
        """Let go of a delivery that waits for its retry or for credits; one in flight may finish."""
        if not self._in_flight:
            self._current = None
            self._pause.end()

    async def _cancel_pending(self) -> None:
        """Cancel what was accepted while the webhook was being disabled or deleted, unless it is enabled by now."""
        async with self._transition:
            self._queue.clear()
            if (reason := cancel_reason_of(self._webhook)) is None:
                return
            cancel = CancelPending(self._webhook.id, reason, self._parts.now_ms())
            write = partial(self._parts.writer.execute, cancel, self._after_cancelling)
            cancelled = await retry_until_available(write, self._parts.log.log)
        await self._parts.log.cancelled(self._webhook, cancelled, reason)

    def _after_disabling(self, recorded: Recorded) -> None:
        self._after_cancelling(recorded.cancelled)

    def _after_cancelling(self, cancelled: Cancelled) -> None:
        if cancelled.more:
            self._parts.on_more_to_cancel()
