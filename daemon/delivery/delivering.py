"""One delivery, from top to bottom: from its turn to its end, or to a wait in the database.

Why the tasks of an actor are correct together is told in `daemon.delivery.endpoint`.
"""

import math
from dataclasses import dataclass
from functools import partial

import trio
from msgspec import structs

from daemon.delivery.credit_gate import Gate
from daemon.delivery.endpoint_state import EndpointState, Lane
from daemon.delivery.open_outcomes import OPEN_S
from daemon.delivery.outcome_recorder import OutcomeRecorder, Recording
from daemon.delivery.pace import Pace
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.waiting_aside import BackOffs
from daemon.delivery.webhook_changes import WebhookChanges
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.clock import Clock
from daemon.domain.lifecycle import Verdict, cancel_reason_of, failures_disable, is_plain_success, judge
from daemon.domain.model import Attempt, DeliveryStatus, Work
from daemon.domain.policy import Policy, policy_of
from daemon.store.reads import actor_reads
from daemon.store.reads.reader import Reader
from daemon.store.retry import retry_until_available


@dataclass(slots=True, eq=False, kw_only=True)
class Delivering:
    """Of one actor: brings deliveries to their ends, one in each lane at a time."""

    state: EndpointState
    queue: WorkQueue
    changes: WebhookChanges
    reader: Reader
    clock: Clock
    log: DeliveryLog
    settings: Policy
    back_offs: BackOffs
    gate: Gate
    pace: Pace
    recorder: OutcomeRecorder

    @property
    def _policy(self) -> Policy:
        return policy_of(self.settings, self.state.webhook.options)

    async def process(self, work: Work, lane: Lane) -> None:
        """Bring one delivery to its end; leave it pending when told to stop."""
        state = self.state
        if cancel_reason_of(state.webhook):
            await self.changes.cancel_pending()
            return
        lane.current = work
        if reason := state.why_over(work):
            await self.changes.cancel_over(work, reason)
            return
        if work.next_attempt_at is not None:
            await self.back_offs.wait_out(work, state, lane, policy=self._policy)
        if not (state.is_due(work, lane) and await self._reserve_credits(work, lane)):
            return
        charged, lane.holds_reservation = None, True
        try:
            charged = await self._attempt_until_over(work, lane)
        finally:
            if lane.holds_reservation:
                self.gate.settle(state.webhook.team_id, charged=charged)

    async def _reserve_credits(self, work: Work, lane: Lane) -> bool:
        """Wait until the team can pay; False if the delivery was cancelled, or the daemon stops, meanwhile."""
        gate, webhook = self.gate, self.state.webhook
        if not gate.enforced:
            return True
        on_wait = partial(self.log.waiting_for_credits, webhook, work)
        if not await lane.pause.wait(math.inf, partial(gate.reserve, webhook.team_id, on_wait)):
            return False
        if self.state.is_due(work, lane):
            return True
        gate.settle(webhook.team_id, charged=False)
        return False

    async def _attempt_until_over(self, work: Work, lane: Lane) -> bool:
        """Make attempt after attempt while the delivery is due; return whether it succeeded."""
        with_body = await self._with_body(work)
        if reason := self.state.why_over(with_body):
            await self.changes.cancel_over(work, reason)
            return False
        number = work.attempts_made + 1
        while await self._begin(work, lane, number):
            verdict, ended_at = await self._attempt(with_body, lane, number)
            number += verdict.counted
            if verdict.retry_in_s is None or verdict.steps_aside:
                return verdict.status is DeliveryStatus.SUCCEEDED
            await lane.back_off(ended_at + verdict.retry_in_s - trio.current_time())
        return False

    async def _with_body(self, work: Work) -> Work:
        if work.body is not None:
            return work
        read = partial(self.reader.fetch_together, actor_reads.event_body, work.event_id)
        return structs.replace(work, body=await retry_until_available(read, self.log.log))

    async def _begin(self, work: Work, lane: Lane, number: int) -> bool:
        """Wait for the attempt's turn, and put the delivery in flight if it is still due."""
        if self.state.webhook.options.max_per_second is None:
            return await self._take_off(work, lane, number)
        async with self.pace.turn:
            return await self.pace.allows(work, lane) and await self._take_off(work, lane, number)

    async def _take_off(self, work: Work, lane: Lane, number: int) -> bool:
        state, webhook = self.state, self.state.webhook
        failing = number > 1 or webhook.consecutive_failures > 0
        if not (state.is_due(work, lane) and await lane.sender.acquire(webhook, failing=failing)):
            return False
        try:
            async with state.transition:  # a change in progress may be about to cancel it
                lane.in_flight = state.is_due(work, lane)
        finally:
            if not lane.in_flight:
                lane.sender.release()
        if webhook.options.max_per_second is not None:
            self.pace.begun()
        return lane.in_flight

    async def _attempt(self, work: Work, lane: Lane, number: int) -> tuple[Verdict, float]:
        """Make one attempt and commit what follows. Return the verdict, and when the attempt ended (Trio's clock)."""
        state = self.state
        try:
            attempt = await lane.sender.send(state.webhook, work, number)
            ended_at = trio.current_time()
            async with state.transition:
                return await self._settle(work, lane, state.kept(work, attempt)), ended_at
        finally:
            lane.in_flight = False

    async def _settle(self, work: Work, lane: Lane, attempt: Attempt) -> Verdict:
        """Decide what follows from an attempt and commit it; a plain success may be on its way still."""
        webhook, outcomes = self.state.webhook, self.state.outcomes
        verdict = judge(
            self._policy,
            attempt.number,
            outcome=attempt.outcome,
            consecutive_failures=webhook.consecutive_failures,
            cancelled=self.state.why_no_retry(work),
            disables=failures_disable(webhook),
            chance=self.clock.chance(),
            ended_at=attempt.started_at + attempt.outcome.duration_ms,
            expires_at=work.expires_at,
        )
        if not verdict.counted:
            self.log.interrupted(webhook, work, attempt)
            return verdict
        if is_plain_success(webhook, verdict):
            outcomes.add(self.recorder.begin(webhook, work, attempt=attempt, verdict=verdict, within_s=OPEN_S))
            lane.holds_reservation = False
            return verdict
        await outcomes.all_committed()
        if verdict.disable:
            self.queue.clear()
        others = self._others_in_flight(lane) if verdict.disable else ()
        self.state.webhook = await self.recorder.record(
            webhook, work, attempt=attempt, verdict=verdict, others_in_flight=others
        )
        if verdict.disable:
            self.state.drop_waiting()  # in other lanes: it is cancelled
        return verdict

    def _others_in_flight(self, lane: Lane) -> tuple[int, ...]:
        return tuple(seq for seq in self.state.in_flight_seqs if lane.current is None or seq != lane.current.seq)

    async def finish(self, recording: Recording) -> None:
        """Bring a plain success to its end, after what was open before it."""
        await self.recorder.finish(recording)
        self.gate.settle(recording.webhook.team_id, charged=True)
