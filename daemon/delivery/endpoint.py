"""The endpoint actor: one webhook, one delivery at a time, in order (architecture "How an event flows", 4).

Theory of operation
~~~~~~~~~~~~~~~~~~~

One life of the actor is one `Endpoint.run`. It begins with the webhook's row and its first page of pending deliveries,
read in one snapshot. It ends after being idle for long enough, when told to stop, or with a crash; the fleet starts
the next one. It knows nothing that is not in the database, so a life may end between any two steps.

Three tasks share it:

- the *delivering* task (this file) takes one delivery after another to its end:

      next from the queue
        -> waits out the back-off of an earlier life -> reserves credits -> reads a large body
        -> [ acquires slot and connection -> is in flight: sends -> records the outcome -> waits for its retry ] again
        -> settles the credits

  but after a plain success it goes on while the outcome is on its way to disk: the outcome is *open*;

- the *finishing* task (`open_outcomes`) waits for the commits of open outcomes, in order, tells of them and settles
  their credits;

- the *changing* task (`webhook_changes`) makes the changes that the mailbox brings, while the others do any of this.

What they share is in `EndpointState`. These hold:

1. Only the holder of `transition` changes `webhook` or sets `in_flight` to True, and it keeps holding it until the
   store has answered. So an attempt begins before a change is committed or after it, never during it; and the
   rules judge an outcome by the webhook as committed.
2. No attempt, and no wait for a receiver, for credits or for time, holds `transition`: a change waits for the commits
   under way at most, or for as long as the store fails. Nothing else is awaited under it but the log lines of what was
   cancelled. The finishing task never takes it.
3. `current` is set by the delivering task, when it takes a delivery, and unset by the changing task, when a change
   cancels or pauses it. That also ends the current wait. After every wait the delivering task checks `is_due`, and
   leaves alone what is no longer due: it is cancelled in the database already, or stays pending there.
4. A delivery in flight is not dropped: the change leaves its row alone, it may finish, and the rules then decide what
   the outcome means for a disabled webhook.
5. While the webhook is paused no delivery is due, and none is taken. One that waits is dropped, with what was read
   ahead, and its credits are given back; one in flight may finish, and its retry waits in the database. Nothing of a
   pause is in memory but the webhook: a paused life waits for changes alone, keeps no hints, and ends when it has been
   idle for long enough. What comes next after the pause is read as a new life reads it: a delivery that was begun is
   first. A back-off that is over by then is not waited out again.
6. One that steps aside (`waiting_aside`) is over for this actor, until it is taken back in the database.
7. The next delivery is taken when the outcome of the last one is committed, or open. An open one leaves the webhook as
   it is, and was given to the writer already, which commits in order. Who holds `transition` to change the webhook, to
   record any other outcome or to end the life, waits until none is open; so does the queue before it reads pages, for
   in the database an open one is pending. With the queue's own order (`work_queue`) this is the promise: in order, one
   at a time, also over crashes (architecture "One busy webhook").

Cancellation comes from outside only when the time for a stop is over, or with a crash of another task; the polite
stop is `pause.close()`, which ends waits and lets an attempt finish. It is right at every checkpoint:

- in a wait: nothing has begun; a slot, a place in a queue and reserved credits are given back on the way out;
- in an attempt: nothing is recorded, so it does not count and is made again under the same number;
- in a commit, or with outcomes open: the writer commits or not, on its own. A repeated command does nothing the second
  time, and the next life waits until the writer has answered before it reads (`Fleet._look`).

A crash is the same: what this life had not committed has not happened, but for at most
`MOST_OPEN` POSTs that are then made twice.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import trio
from msgspec import structs

from daemon.actors.interruptible_wait import Pause
from daemon.delivery.credit_gate import FREE_OF_CHARGE, Gate
from daemon.delivery.endpoint_state import EndpointState
from daemon.delivery.mailbox import Mailbox
from daemon.delivery.open_outcomes import OPEN_S, OpenOutcomes
from daemon.delivery.outcome_recorder import OutcomeRecorder, Recording
from daemon.delivery.pace import Pace, Paces
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.sender import Sender
from daemon.delivery.waiting_aside import BackOffs
from daemon.delivery.webhook_changes import WebhookChanges
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.clock import Clock
from daemon.domain.lifecycle import Verdict, cancel_reason_of, failures_disable, is_plain_success, judge
from daemon.domain.model import Attempt, DeliveryStatus, Webhook, Work
from daemon.domain.policy import Policy, policy_of
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
        "_back_offs",
        "_changes",
        "_clock",
        "_gate",
        "_holds_reservation",
        "_log",
        "_look",
        "_mailbox",
        "_pace",
        "_pause",
        "_queue",
        "_read_pages",
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
        back_offs: BackOffs,
        gate: Gate,
        paces: Paces,
        recorder: OutcomeRecorder,
        read_pending: actor_reads.ReadPending,
        look: actor_reads.Look = actor_reads.webhook_and_work,
        make_sender: Callable[[Webhook, Pause], Sender],
        make_changes: Callable[[EndpointState, Mailbox, WorkQueue], WebhookChanges],
    ) -> None:
        self._mailbox = mailbox
        self._pause = pause
        self._reader = store.reader
        self._read_pages = read_pending
        self._look = look
        self._clock = clock
        self._log = log
        self._schedule = schedule
        self._back_offs = back_offs
        self._gate = FREE_OF_CHARGE if webhook.is_free else gate
        self._recorder = recorder
        self._state = EndpointState(webhook, pause, OpenOutcomes(store.writer.hurry), now_ms=clock.now_ms)
        self._pace = Pace(self._state, paces)
        self._holds_reservation = False
        self._queue = WorkQueue(mailbox, self._read_pending, page_limit, page=page)
        self._sender = make_sender(webhook, pause)
        self._changes = make_changes(self._state, mailbox, self._queue)

    async def run(self, retire: Callable[[], None]) -> None:
        """Deliver what is pending and what comes, until idle for long enough or the pause is closed.

        Before an idle actor ends it calls `retire`, with nothing in its mailbox and no await in between.
        """
        with closing(self._sender), closing(self):
            # Waiting changes first: a webhook that crashes at every attempt can still be edited or disabled.
            await self._changes.apply_all()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._changes.run)
                nursery.start_soon(self._state.outcomes.run, self._finish)
                await self._deliver(retire)
                nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Leave what is open to the next life: whether it was charged is not known."""
        for _ in range(len(self._state.outcomes)):
            self._gate.settle(self._state.webhook.team_id, charged=None)

    async def _deliver(self, retire: Callable[[], None]) -> None:
        outcomes = self._state.outcomes
        while not self._pause.closed:
            await outcomes.below_limit()
            work = None if self._state.is_paused else await self._queue.next()
            if work is not None:
                outcomes.hurry()
                await self._process(work)
            elif not await self._idle():
                async with self._state.transition:
                    await outcomes.all_committed()
                    if self._has_nothing_to_do:
                        retire()
                        return
        await outcomes.all_committed()

    @property
    def _has_nothing_to_do(self) -> bool:
        return not self._mailbox.changes if self._state.is_paused else self._mailbox.empty

    async def _idle(self) -> bool:
        """Wait for work up to `idle_s`, at first with the connection kept; return whether there may be some."""
        until = self._mailbox.wait_for_work
        if self._state.is_paused:
            self._queue.clear()  # also what was taken and not begun
            until = self._state.wait_until_resumed
        kept_s = min(self._schedule.idle_connection_s, self._schedule.idle_s)
        if await self._pause.wait(kept_s, until):
            return True
        self._sender.close()
        return await self._pause.wait(self._schedule.idle_s - kept_s, until)

    async def _read_pending(self, limit: int) -> Sequence[Work]:
        await self._state.outcomes.all_committed()  # else they are pending, and would be sent again
        if self._state.reads_anew:
            self._state.reads_anew = False
            return await self._first_page(limit)
        read = partial(self._reader.fetch_for_all, self._read_pages, (self._state.webhook.id, limit))
        return await retry_until_available(read, self._log.log)

    async def _first_page(self, limit: int) -> Sequence[Work]:
        read = partial(self._reader.fetch_together, self._look, self._state.webhook.id, limit)
        _, page = await retry_until_available(read, self._log.log)
        return page

    @property
    def _policy(self) -> Policy:
        return policy_of(self._schedule.policy, self._state.webhook.options)

    # -- one delivery, from top to bottom

    async def _process(self, work: Work) -> None:
        """Bring one delivery to its end; leave it pending when told to stop."""
        state = self._state
        if cancel_reason_of(state.webhook):
            await self._changes.cancel_pending()
            return
        state.current = work
        if state.is_expired(work):
            await self._changes.cancel_expired(work)
            return
        if work.next_attempt_at is not None:
            await self._back_offs.wait_out(work, state, policy=self._policy)
        if not (state.is_due(work) and await self._reserve_credits(work)):
            return
        charged, self._holds_reservation = None, True
        try:
            charged = await self._attempt_until_over(work)
        finally:
            if self._holds_reservation:
                self._gate.settle(state.webhook.team_id, charged=charged)

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
            if verdict.retry_in_s is None or verdict.steps_aside:
                return verdict.status is DeliveryStatus.SUCCEEDED
            await self._pause.wait(ended_at + verdict.retry_in_s - trio.current_time())
        return False

    async def _with_body(self, work: Work) -> Work:
        if work.body is not None:
            return work
        read = partial(self._reader.fetch_together, actor_reads.event_body, work.event_id)
        return structs.replace(work, body=await retry_until_available(read, self._log.log))

    async def _begin(self, work: Work, number: int) -> bool:
        """Wait for the attempt's turn, and put the delivery in flight if it is still due."""
        if self._state.webhook.options.max_per_second is None:
            return await self._take_off(work, number)
        async with self._pace.turn:
            return await self._pace.allows(work) and await self._take_off(work, number)

    async def _take_off(self, work: Work, number: int) -> bool:
        state, webhook = self._state, self._state.webhook
        failing = number > 1 or webhook.consecutive_failures > 0
        if not (state.is_due(work) and await self._sender.acquire(webhook, failing=failing)):
            return False
        try:
            async with state.transition:  # a change in progress may be about to cancel it
                state.in_flight = state.is_due(work)
        finally:
            if not state.in_flight:
                self._sender.release()
        if webhook.options.max_per_second is not None:
            self._pace.begun()
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
        """Decide what follows from an attempt and commit it; a plain success may be on its way still."""
        webhook, outcomes = self._state.webhook, self._state.outcomes
        verdict = judge(
            self._policy,
            attempt.number,
            outcome=attempt.outcome,
            consecutive_failures=webhook.consecutive_failures,
            cancelled=cancel_reason_of(webhook),
            disables=failures_disable(webhook),
            chance=self._clock.chance(),
            ended_at=attempt.started_at + attempt.outcome.duration_ms,
            expires_at=work.expires_at,
        )
        if not verdict.counted:
            self._log.interrupted(webhook, work, attempt)
            return verdict
        if is_plain_success(webhook, verdict):
            outcomes.add(self._recorder.begin(webhook, work, attempt=attempt, verdict=verdict, within_s=OPEN_S))
            self._holds_reservation = False
            return verdict
        await outcomes.all_committed()
        if verdict.disable:
            self._queue.clear()
        self._state.webhook = await self._recorder.record(webhook, work, attempt=attempt, verdict=verdict)
        return verdict

    async def _finish(self, recording: Recording) -> None:
        """Bring a plain success to its end, after what was open before it."""
        await self._recorder.finish(recording)
        self._gate.settle(recording.webhook.team_id, charged=True)
