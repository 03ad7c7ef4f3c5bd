"""The router actor: takes submissions, commits all that are waiting together, wakes the right actors.

Theory of operation
~~~~~~~~~~~~~~~~~~~

    submit -> Intake -> [ a batch: match -> commit -> answer all -> hand out all ] -> log
                           again, until closed and empty

A caller's task runs `submit`: it is admitted or refused at once (`intake`), and then waits for its reply. The router's
own task takes batch after batch; it keeps nothing about an event that is not in the database.

1. *Order.* Batches are committed one after the other, and the store gives the places in the order of the batch. Hints
   are handed out in that order, before the next batch is committed: a webhook's actor gets its hints by `seq`.
2. *Large submissions.* While a team has deliveries that are still to be made (`fan_out`), all that it submits waits
   behind them: the matcher asks before the commit, `add` follows the commit without an await, and `begin` comes when
   the hints of the same submission are handed out.
3. *Answers.* Each submission that was let in gets exactly one. All of a batch are answered, without an await, before
   anything is handed out: a later failure cannot break a promise already given.
   If another node has changed subscriptions since a submission was matched, nothing of it is kept: `follow` brings the
   change, and it is matched again, before the next batch. A key that was revoked at another node is such a change, too:
   what came with it is refused then.
4. *In doubt.* If the store reports a failure, the commit may have happened anyway. The caller is told to repeat it,
   which is harmless with an idempotency key; the webhooks are woken to check the database.
5. *Cancelled* callers take nothing back: their submission is committed, and nobody reads its reply. If the router
   itself is cancelled or crashes, submissions already taken get StoreUnavailable; those still in the intake are taken
   by its next life, which begins by waking all actors, since hints may be lost.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import trio

from daemon.delivery.acceptance_log import log_accepted
from daemon.delivery.event_filters import EventFilters, Verdicts
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.inbox import Inbox, InboxLimits
from daemon.delivery.intake import Intake, WaitingSubmission
from daemon.delivery.matcher import Matcher
from daemon.delivery.owners import Owners
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.clock import Clock
from daemon.domain.errors import IdempotencyConflict, KeyRevoked, MatchedTooEarly, StoreUnavailable, UnknownTeam
from daemon.domain.model import DeliveryStatus
from daemon.domain.submission import Receipt, Submission
from daemon.store.commands import Accepted, AcceptEvents
from daemon.store.store import Store
from daemon.telemetry.metrics import Refusal
from daemon.telemetry.telemetry import Telemetry

# How many commits may be waiting to be logged; beyond that the next one waits.
_MAX_UNLOGGED_COMMITS = 10


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of one submission."""

    waiting: WaitingSubmission
    command: AcceptEvents
    answer: Accepted | Exception

    @property
    def is_new(self) -> bool:
        return isinstance(self.answer, Accepted) and not self.answer.replayed

    def webhooks(self) -> Iterator[tuple[str, str]]:
        """The team and the webhook of each delivery that was to be made at once."""
        for matched in self.command.events:
            for _, webhook_id in matched.deliveries:
                yield matched.event.team_id, webhook_id


async def nothing_to_follow() -> None:
    """Follow nobody: one process alone uses the database."""


def _none(_key_ids: Collection[str]) -> Collection[str]:
    return ()


class Router:
    """Owns the path of a submission into the store, and passes the new deliveries on to their owners.

    `teams` has the ids of all teams and grows as teams are created. `resume` wakes all webhooks with pending
    deliveries; `filters` says which of an event's subscribers take it; `follow` waits until memory has what other nodes
    have changed. `revoked(key_ids)` says which are.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        owners: Owners,
        fan_outs: FanOuts,
        index: SubscriptionIndex,
        filters: EventFilters,
        teams: set[str],
        limits: InboxLimits,
        resume: Callable[[], Awaitable[None]],
        follow: Callable[[], Awaitable[None]] = nothing_to_follow,
        version: Callable[[], int | None] = lambda: None,
        revoked: Callable[[Collection[str]], Collection[str]] = _none,
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._owners = owners
        self._resume = resume
        self._follow = follow
        self._revoked = revoked
        self._fan_outs = fan_outs
        self.filters = filters
        self._inbox: Inbox[WaitingSubmission] = Inbox(limits, fan_outs.waiting)
        self._intake = Intake(metrics=telemetry.metrics, index=index, teams=teams, inbox=self._inbox)
        self._matcher = Matcher(clock=clock, index=index, fan_outs=fan_outs, version=version)
        self._wake = trio.Event()
        self._has_run = False

    @property
    def waiting_events(self) -> int:
        """How many events wait for their commit."""
        return self._inbox.events

    async def submit(self, submission: Submission) -> tuple[Receipt, ...]:
        """Accept events, all or none; return a receipt for each, in order, after COMMIT (contract "HTTP API").

        If there are too many deliveries for that commit, they are created after it; a test's before this returns.
        Raises UnknownTeam, SubmissionTooLarge, Overloaded, Stopping, KeyRevoked and StoreUnavailable, with nothing
        kept, and IdempotencyConflict. A caller that is cancelled here does not take its submission back.
        """
        waiting = await self._admit(submission, await self._judge(submission))
        self._wake.set()
        receipts = await waiting.reply.wait()
        for team_id in {event.team_id for event in submission.events if event.test}:
            await self._fan_outs.finished(team_id)
        return receipts

    async def _judge(self, submission: Submission) -> Verdicts:
        """Ask the filters in the caller's time, so that nobody waits for another team's; not for what is refused."""
        verdicts: Verdicts = {}
        if self.filters.are_unknown(submission, verdicts):
            self._intake.require_admissible(submission)
            await self.filters.judge(submission, verdicts)
        return verdicts

    async def _admit(self, submission: Submission, verdicts: Verdicts) -> WaitingSubmission:
        try:
            return self._intake.admit(submission, verdicts)
        except UnknownTeam:  # it may be another node's, and new
            await self._follow()
            return self._intake.admit(submission, verdicts)

    def close(self) -> None:
        """Refuse new submissions; `run` ends once it has committed the waiting ones."""
        self._intake.closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit what is waiting, batch after batch, until closed; meanwhile get everything pending delivered."""
        if self._has_run:  # and crashed: before any new commit, since unfinished fan-outs come first
            await self._fan_outs.reload()
            self._owners.wake_all()
        self._has_run = True
        async with trio.open_nursery() as nursery:
            # Hints of what had been committed before a crash may be lost.
            nursery.start_soon(self._resume)
            nursery.start_soon(self._fan_outs.run)
            # Logged concurrently with the commits: a thousand lines would delay the next one.
            accepted, to_log = trio.open_memory_channel[Sequence[AcceptEvents]](_MAX_UNLOGGED_COMMITS)
            logged = trio.Event()
            nursery.start_soon(partial(log_accepted, to_log, logged, telemetry=self._telemetry))
            async with accepted:
                await self._commit_until_closed(accepted)
            await logged.wait()
            nursery.cancel_scope.cancel()

    # -- one batch, from top to bottom

    async def _commit_until_closed(self, accepted: trio.MemorySendChannel[Sequence[AcceptEvents]]) -> None:
        while True:
            while batch := self._intake.take_batch():
                results = await self._commit(batch)
                for result in results:
                    self._answer(result)
                for result in results:
                    await self._hand_out(result)
                if new := [result.command for result in results if result.is_new]:
                    await accepted.send(new)
            if self._intake.closed:
                return
            self._wake = trio.Event()
            await self._wake.wait()

    async def _commit(self, batch: Sequence[WaitingSubmission]) -> list[_Result]:
        """Match a batch and commit it. Whatever happens, it leaves the inbox, and everyone gets an answer."""
        try:
            return await self._commit_matched(batch)
        except BaseException:
            for waiting in batch:
                waiting.reply.settle(StoreUnavailable("the router crashed while handling it: send it again"))
            raise
        finally:
            self._intake.release(batch)

    async def _commit_matched(self, batch: Sequence[WaitingSubmission]) -> list[_Result]:
        """Commit a batch; what was matched too early is matched again, and committed after the others."""
        results, left = list[_Result](), batch
        while left:
            await self._judge_what_changed(left)
            commands = self._matcher.match_all((waiting.submission, waiting.verdicts) for waiting in left)
            answers = await self._store.writer.execute_all(commands)
            made = [_Result(*one) for one in zip(left, commands, answers, strict=True)]
            early = [result for result in made if isinstance(result.answer, MatchedTooEarly)]
            results += [result for result in made if result not in early] if early else made
            if early and (failure := await self._failure_to_follow()) is not None:
                return [*results, *(replace(result, answer=failure) for result in early)]
            refused = self._of_revoked_keys(early)
            results += [replace(result, answer=KeyRevoked("the key was revoked")) for result in refused]
            left = [result.waiting for result in early if result not in refused]
        return results

    async def _judge_what_changed(self, batch: Sequence[WaitingSubmission]) -> None:
        """Ask what is still to be asked: webhooks and filters may have changed since, and may while this asks."""
        while unknown := [one for one in batch if self.filters.are_unknown(one.submission, one.verdicts)]:
            for waiting in unknown:
                await self.filters.judge(waiting.submission, waiting.verdicts)

    def _of_revoked_keys(self, early: Sequence[_Result]) -> list[_Result]:
        if not early:
            return []
        revoked = self._revoked({result.waiting.submission.key_id for result in early} - {""})
        return [result for result in early if result.waiting.submission.key_id in revoked]

    async def _failure_to_follow(self) -> StoreUnavailable | None:
        try:
            await self._follow()
        except StoreUnavailable as error:
            return error
        return None

    def _answer(self, result: _Result) -> None:
        answer, reply = result.answer, result.waiting.reply
        if isinstance(answer, Exception):
            self._count_refusal(answer)
            reply.settle(answer)
            return
        for fan_out in answer.fan_outs:
            self._fan_outs.add(fan_out)
        reply.settle(answer.receipts)
        self._count(result.waiting, answer)

    async def _hand_out(self, result: _Result) -> None:
        """Hand the deliveries to the actors, and only then start creating those that come after them."""
        answer = result.answer
        if isinstance(answer, Accepted):
            await self._owners.offer_all(answer.work)
            if answer.due_at is not None:
                self._owners.note_time(answer.due_at)
            for fan_out in answer.fan_outs:
                self._fan_outs.begin(fan_out.team_id)
            if result.is_new:
                for team_id, webhook_id in set(result.webhooks()):
                    self._telemetry.changes.publish(team_id, webhook_id)
        elif isinstance(answer, StoreUnavailable):
            # It may have been committed anyway, if the writer crashed right after: whoever submits it again then gets
            # the first receipt, and no hint comes.
            self._owners.wake(webhook_id for _, webhook_id in result.webhooks())

    def _count(self, waiting: WaitingSubmission, accepted: Accepted) -> None:
        metrics = self._telemetry.metrics
        metrics.accept_duration_seconds.observe(trio.current_time() - waiting.submitted_at)
        if accepted.replayed:
            return
        metrics.events_accepted.inc(len(accepted.receipts))
        metrics.recently_accepted.count(len(accepted.receipts))
        metrics.deliveries[DeliveryStatus.PENDING].inc(sum(receipt.deliveries for receipt in accepted.receipts))

    def _count_refusal(self, error: Exception) -> None:
        conflict = isinstance(error, IdempotencyConflict)
        refusal = Refusal.IDEMPOTENCY_CONFLICT if conflict else Refusal.STORE_UNAVAILABLE
        self._telemetry.metrics.submissions_refused[refusal].inc()
