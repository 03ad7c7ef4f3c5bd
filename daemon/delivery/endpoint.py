"""The endpoint actor: one webhook, one delivery at a time, in order (architecture "The way of one event", 4).

Theory of operation
~~~~~~~~~~~~~~~~~~~

One life of the actor is one `Endpoint.run`. It begins with the webhook's row and its first page of pending deliveries,
read in one snapshot. It ends when it was idle for long enough, when it is told to stop, or by a crash; the fleet starts
the next one. It knows nothing that is not in the database, so a life may end between any two steps.

Two tasks share it:

- the *delivering* task (this file) brings one delivery after the other to its end:

      next from the queue
        -> waits out the back-off of an earlier life -> reserves credits -> reads a large body
        -> [ acquires slot and connection -> is in flight: sends -> records the outcome -> waits for its retry ] again
        -> settles the credits

- the *changing* task (`webhook_changes`) makes the changes that the mailbox brings, while the other one does any of
  this.

What both touch is in `EndpointState`. These hold:

1. `webhook` is changed, and `in_flight` becomes True, only by who holds `transition`; the holder keeps it until the
   store has answered. So an attempt begins before a change is being committed or after it, never meanwhile; and the
   rules judge an outcome by the webhook as it is committed.
2. No attempt, and no wait for a receiver, for credits or for time, holds `transition`: a change waits for one commit at
   most, or for as long as the store fails. Nothing else is awaited under it but the log lines of what was cancelled.
3. `current` is set by the delivering task, when it takes a delivery, and unset by the changing task, when a change
   cancels it. That also ends the wait under way. After every wait the delivering task asks `is_due`, and leaves alone
   what is not due any more: it is cancelled in the database already, or stays pending there for the next start.
4. A delivery in flight is not let go: its row is spared by the change, it may finish, and the rules then decide what
   a disabled webhook's outcome means.
5. The next delivery is taken when the outcome of the last one is committed, and not before. With the queue's own order
   (`work_queue`) this is the promise: in order, one at a time, also over crashes.

Cancellation comes from outside only when the time for a stop is over, or with a crash of the other task; the polite
stop is `pause.close()`, which ends waits and lets an attempt finish. It is right at every checkpoint:

- in a wait: nothing has begun; a slot, a place in a queue and reserved credits are given back on the way out;
- in an attempt: nothing is recorded, so it does not count and is made again under the same number;
- in a commit: the writer commits or not, by itself. A repeated command does nothing the second time, and the next life
  waits until the writer has answered before it reads (`Fleet._look`).

A crash is the same: what this life had not committed has not happened, but for a POST that is then made twice.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.delivery.credit_gate import CreditGate
from daemon.delivery.endpoint_state import EndpointState
from daemon.delivery.mailbox import Mailbox
from daemon.delivery.outcome_recorder import OutcomeRecorder
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.sender import Sender
from daemon.delivery.webhook_changes import WebhookChanges
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.clock import Clock
from daemon.domain.lifecycle import (
    Policy,
    Verdict,
    cancel_reason_of,
    judge,
    remaining_backoff_s,
)
from daemon.domain.model import Attempt, DeliveryStatus, Webhook, Work
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When retries are made, and after how many seconds an idle actor closes its connection, and ends."""

    policy: Policy
    idle_connection_s: float
    idle_s: float


class Endpoint:
    """One life of one webhook's actor, from the webhook's row and its first page of work as they were at the start."""

    __slots__ = (
        "_changes",
        "_clock",
        "_gate",
        "_log",
        "_mailbox",
        "_pause",
        "_queue",
        "_reader",
        "_recorder",
        "_schedule",
        "_sender",
        "_state",
    )

    def __init__(
        self,
        webhook: Webhook,
        page: Sequence[Work],
        *,
        mailbox: Mailbox,
        pause: Pause,
        page_limit: Callable[[], int],
        store: Store,
        clock: Clock,
        log: DeliveryLog,
        schedule: Schedule,
        gate: CreditGate,
        recorder: OutcomeRecorder,
        make_sender: Callable[[Pause], Sender],
        make_changes: Callable[[EndpointState, Mailbox, WorkQueue], WebhookChanges],
    ) -> None:
        self._mailbox = mailbox
        self._pause = pause
        self._reader = store.reader
        self._clock = clock
        self._log = log
        self._schedule = schedule
        self._gate = gate
        self._recorder = recorder
        self._state = EndpointState(webhook, pause)
        self._queue = WorkQueue(mailbox, self._read_pending, page_limit, page=page)
        self._sender = make_sender(pause)
        self._changes = make_changes(self._state, mailbox, self._queue)

    async def run(self, retire: Callable[[], None]) -> None:
        """Deliver what is pending and what comes, until idle for long enough or the pause is closed.

        Before an idle actor ends it calls `retire`, with nothing in its mailbox and no await in between.
        """
        with closing(self._sender):
            # First what waits already: a webhook that crashes at every attempt can be edited or disabled all the same.
            await self._changes.apply_all()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._changes.run)
                await self._deliver(retire)
                nursery.cancel_scope.cancel()

    async def _deliver(self, retire: Callable[[], None]) -> None:
        while not self._pause.closed:
            work = await self._queue.next()
            if work is not None:
                await self._process(work)
            elif not await self._idle():
                async with self._state.transition:
                    if self._mailbox.empty:
                        retire()
                        return

    async def _idle(self) -> bool:
        """Wait for work up to `idle_s`, at first with the connection kept; return whether there may be some."""
        kept_s = min(self._schedule.idle_connection_s, self._schedule.idle_s)
        if await self._pause.wait(kept_s, self._mailbox.wait_for_work):
            return True
        self._sender.close()
        return await self._pause.wait(self._schedule.idle_s - kept_s, self._mailbox.wait_for_work)

    async def _read_pending(self, limit: int) -> Sequence[Work]:
        read = partial(self._reader.fetch_together, actor_reads.pending_work, self._state.webhook.id, limit)
        return await retry_until_available(read, self._log.log)

    # -- one delivery, from top to bottom

    async def _process(self, work: Work) -> None:
        """Bring one delivery to its end; leave it pending when told to stop."""
        state = self._state
        if cancel_reason_of(state.webhook):
            await self._changes.cancel_pending()
            return
        state.current = work
        if work.next_attempt_at is not None:
            await self._wait_out_backoff(work)
        if not (state.is_due(work) and await self._reserve_credits(work)):
            return
        charged = None
        try:
            charged = await self._attempt_until_over(work)
        finally:
            self._gate.settle(state.webhook.team_id, charged=charged)

    async def _wait_out_backoff(self, work: Work) -> None:
        """Wait for a retry that an earlier life has left."""
        policy, now = self._schedule.policy, self._clock.now_ms()
        await self._pause.wait(
            remaining_backoff_s(policy, work.attempts_made, next_attempt_at=work.next_attempt_at, now=now)
        )

    async def _reserve_credits(self, work: Work) -> bool:
        """Wait until the team can pay; False if the delivery was cancelled, or the daemon stops, meanwhile."""
        gate, webhook = self._gate, self._state.webhook
        if not gate.enforced:
            return True
        on_wait = partial(self._log.waiting_for_credits, webhook, work)
        if not await self._pause.wait(math.inf, partial(gate.reserve, webhook.team_id, on_wait)):
            return False
        if self._state.is_due(work):
            return True
        gate.settle(webhook.team_id, charged=False)
        return False

    async def _attempt_until_over(self, work: Work) -> bool:
        """Make attempt after attempt while the delivery is due; return whether it succeeded."""
        with_body = await self._with_body(work)
        number = work.attempts_made + 1
        while await self._begin(work, number):
            verdict, ended_at = await self._attempt(with_body, number)
            number += verdict.counted
            if verdict.retry_in_s is None:
                return verdict.status is DeliveryStatus.SUCCEEDED
            await self._pause.wait(ended_at + verdict.retry_in_s - trio.current_time())
        return False

    async def _with_body(self, work: Work) -> Work:
        if work.body is not None:
            return work
        read = partial(self._reader.fetch_together, actor_reads.event_body, work.event_id)
        return replace(work, body=await retry_until_available(read, self._log.log))

    async def _begin(self, work: Work, number: int) -> bool:
        """Wait for the attempt's turn, and put the delivery in flight if it is due still."""
        state, webhook = self._state, self._state.webhook
        failing = number > 1 or webhook.consecutive_failures > 0
        if not (state.is_due(work) and await self._sender.acquire(webhook, failing=failing)):
            return False
        try:
            async with state.transition:  # a change under way may be just about to cancel it
                state.in_flight = state.is_due(work)
        finally:
            if not state.in_flight:
                self._sender.release()
        return state.in_flight

    async def _attempt(self, work: Work, number: int) -> tuple[Verdict, float]:
        """Make one attempt and commit what follows. Return the verdict, and when the attempt ended (Trio's clock)."""
        state = self._state
        try:
            attempt = await self._sender.send(state.webhook, work, number)
            ended_at = trio.current_time()
            async with state.transition:
                return await self._settle(work, attempt), ended_at
        finally:
            state.in_flight = False

    async def _settle(self, work: Work, attempt: Attempt) -> Verdict:
        """Decide what follows from an attempt and commit it."""
        webhook = self._state.webhook
        verdict = judge(
            self._schedule.policy,
            attempt.number,
            outcome=attempt.outcome,
            consecutive_failures=webhook.consecutive_failures,
            cancelled=cancel_reason_of(webhook),
        )
        if not verdict.counted:
            self._log.interrupted(webhook, work, attempt)
            return verdict
        if verdict.disable:
            self._queue.clear()
        self._state.webhook = await self._recorder.record(webhook, work, attempt=attempt, verdict=verdict)
        return verdict
