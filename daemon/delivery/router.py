"""The router actor: takes submissions in, commits all that wait at once, wakes the right actors."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.actors.reply import Reply
from daemon.actors.retry import retry_until_available
from daemon.delivery.acceptance_log import log_accepted
from daemon.delivery.change_feed import ChangeFeed
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.inbox import Inbox, InboxLimits, Load
from daemon.delivery.subscriptions import SubscriptionIndex
from daemon.domain.clock import NowMs
from daemon.domain.errors import (
    IdempotencyConflict,
    Overloaded,
    Stopping,
    StoreUnavailable,
    SubmissionTooLarge,
    UnknownTeam,
)
from daemon.domain.model import DeliveryStatus, Event
from daemon.domain.submission import MatchedEvent, NewEvent, Receipt, Submission
from daemon.store.commands import Accepted, AcceptEvents
from daemon.store.reader import Reader
from daemon.store.reads import actor_reads
from daemon.store.writer import Writer
from daemon.telemetry.metrics import Metrics, Refusal
from daemon.telemetry.tracing import NO_SPANS, Spans

# Enough to fill a transaction well, and over in less than a tenth of a second; what waits behind it gets the next one.
_ROWS_PER_COMMIT = 1_000
_BYTES_PER_COMMIT = 8 * 1024 * 1024
# More deliveries of one submission are made behind its commit.
_MOST_AT_ONCE = 500
_WEBHOOKS_PER_PAGE = 1_000
# Submissions that are committed and not logged yet: then the next commit waits.
_MOST_TO_LOG = 100

_Kind = tuple[str, str, str | None]  # team, event type, the one webhook that it is for


@dataclass(frozen=True, slots=True)
class RouterParts:
    """What the router works with. `teams` are the ids of all teams; it grows as they are made."""

    reader: Reader
    writer: Writer
    fleet: Fleet
    index: SubscriptionIndex
    teams: set[str]
    limits: InboxLimits
    now_ms: NowMs
    new_id: Callable[[str], str]
    metrics: Metrics
    changes: ChangeFeed
    log: FilteringBoundLogger
    fan_outs: FanOuts
    spans: Spans = NO_SPANS


@dataclass(frozen=True, slots=True)
class _Request:
    submission: Submission
    submitted_at: float
    loads: Mapping[str, Load]
    reply: Reply[tuple[Receipt, ...]] = field(default_factory=Reply)

    @property
    def rows(self) -> int:
        """About how many rows its commit writes."""
        deliveries = sum(load.deliveries for load in self.loads.values())
        return len(self.submission.events) + (deliveries if deliveries <= _MOST_AT_ONCE else 0)

    @property
    def size_bytes(self) -> int:
        return sum(load.size_bytes for load in self.loads.values())


class Router:
    """Owns who subscribes, and tells the fleet what came."""

    def __init__(self, parts: RouterParts) -> None:
        self._parts = parts
        self._inbox: Inbox[_Request] = Inbox(parts.limits, parts.fan_outs.waiting)
        self._wake = trio.Event()
        self._closed = False
        self._has_run = False

    @property
    def waiting_events(self) -> int:
        """How many events wait for their commit."""
        return self._inbox.events

    async def submit(self, submission: Submission) -> tuple[Receipt, ...]:
        """Accept events, all or none; return a receipt for each, in order, after COMMIT (contract "HTTP API").

        Deliveries that are too many for that commit are made behind it; those of a test are made when this returns.
        Raises UnknownTeam, SubmissionTooLarge, Overloaded, Stopping and StoreUnavailable, with nothing kept, and
        IdempotencyConflict. A caller that is cancelled here does not take its submission back.
        """
        self._check_teams(submission)
        request = _Request(submission, trio.current_time(), self._loads(submission))
        self._check(request)
        self._enqueue(request)
        receipts = await request.reply.wait()
        for team_id in {event.team_id for event in submission.events if event.test}:
            await self._parts.fan_outs.finished(team_id)
        return receipts

    def close(self) -> None:
        """Refuse what comes; `run` ends when it has committed what waits."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit what waits, batch after batch, until closed. Beside it, have all that is pending delivered."""
        if self._has_run:  # and crashed: before anything new is committed, since what is to be made comes first
            await self._parts.fan_outs.reload()
            self._parts.fleet.wake_all()
        self._has_run = True
        async with trio.open_nursery() as nursery:
            # Hints of what had been committed before a crash may be lost.
            nursery.start_soon(self._resume_all)
            nursery.start_soon(self._parts.fan_outs.run)
            # Logged beside the commits: a thousand lines would hold the next one up.
            accepted, to_log = trio.open_memory_channel[AcceptEvents](_MOST_TO_LOG)
            logged = trio.Event()
            nursery.start_soon(log_accepted, to_log, logged, self._parts.log, self._parts.spans)
            async with accepted:
                await self._commit_until_closed(accepted)
            await logged.wait()
            nursery.cancel_scope.cancel()

    async def _resume_all(self) -> None:
        parts = self._parts
        behind: str | None = ""
        while behind is not None:
            read = partial(parts.reader.fetch, actor_reads.webhooks_with_work, behind, _WEBHOOKS_PER_PAGE)
            page = await retry_until_available(read, parts.log)
            for webhook_id in page.webhook_ids:
                await parts.fleet.resume(webhook_id)
            behind = page.behind

    async def _commit_until_closed(self, accepted: trio.MemorySendChannel[AcceptEvents]) -> None:
        while True:
            while self._inbox.queue:
                for command in await self._commit(self._take()):
                    await accepted.send(command)
            if self._closed:
                return
            self._wake = trio.Event()
            await self._wake.wait()

    def _check_teams(self, submission: Submission) -> None:
        for index, event in enumerate(submission.events):
            if event.team_id not in self._parts.teams:
                self._parts.metrics.submissions_refused[Refusal.UNKNOWN_TEAM].inc()
                raise UnknownTeam(event.team_id, index)

    def _loads(self, submission: Submission) -> Mapping[str, Load]:
        """Return what the submission brings of each team; webhooks are counted once for each team and type."""
        counts: dict[tuple[str, str], int] = {}
        loads: dict[str, list[int]] = {}
        for event in submission.events:
            key = (event.team_id, event.type)
            if key not in counts:
                counts[key] = self._parts.index.count(*key)
            load = loads.setdefault(event.team_id, [0, 0, 0])
            load[0] += 1
            load[1] += len(event.body)
            load[2] += counts[key] if event.only_webhook_id is None else min(1, counts[key])
        return {team_id: Load(*load) for team_id, load in loads.items()}

    def _check(self, request: _Request) -> None:
        refused = self._parts.metrics.submissions_refused
        if self._closed:
            refused[Refusal.STOPPING].inc()
            raise Stopping("the daemon is stopping: send it again in a moment")
        try:
            self._inbox.require_room(request.loads)
        except SubmissionTooLarge:
            refused[Refusal.INVALID].inc()
            raise
        except Overloaded:
            refused[Refusal.OVERLOADED].inc()
            raise

    def _enqueue(self, request: _Request) -> None:
        self._inbox.hold(request.loads)
        # A submission of many teams is the operator's: these take their turn as one.
        turn = next(iter(request.loads)) if len(request.loads) == 1 else ""
        self._inbox.queue.put(turn, request.rows, request)
        self._wake.set()

    def _take(self) -> list[_Request]:
        """Take out what goes into the next transaction: it is to be over in a tenth of a second."""
        queue = self._inbox.queue
        taken = [queue.take()]
        rows, size_bytes = taken[0].rows, taken[0].size_bytes
        while queue and rows + queue.first().rows <= _ROWS_PER_COMMIT and size_bytes <= _BYTES_PER_COMMIT:
            taken.append(queue.take())
            rows, size_bytes = rows + taken[-1].rows, size_bytes + taken[-1].size_bytes
        return taken

    async def _commit(self, requests: list[_Request]) -> list[AcceptEvents]:
        """Commit these, answer them and give out their work; return what was kept."""
        try:
            commands = self._match_all(requests)
            answers = await self._parts.writer.execute_all(commands)
        except BaseException:
            for request in requests:
                request.reply.settle(StoreUnavailable("the router crashed in the middle of it: send it again"))
            raise
        finally:
            for request in requests:
                self._inbox.release(request.loads)
        for request, answer in zip(requests, answers, strict=True):
            self._answer(request, answer)
        kept = []
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Accepted):
                await self._give_out(answer)
                if not answer.replayed:
                    self._tell_news(command)
                    kept.append(command)
            elif isinstance(answer, StoreUnavailable):
                self._wake_endpoints(command)
        return kept

    def _answer(self, request: _Request, answer: Accepted | Exception) -> None:
        if isinstance(answer, Exception):
            self._count_refusal(answer)
            request.reply.settle(answer)
            return
        for fan_out in answer.fan_outs:
            self._parts.fan_outs.add(fan_out)
        request.reply.settle(answer.receipts)
        self._tell(request, answer)

    async def _give_out(self, accepted: Accepted) -> None:
        """Hand the deliveries to the actors, and only then have those made that come behind them."""
        await self._parts.fleet.offer_all(accepted.work)
        for fan_out in accepted.fan_outs:
            self._parts.fan_outs.begin(fan_out.team_id)

    def _tell_news(self, command: AcceptEvents) -> None:
        changed = {
            (matched.event.team_id, webhook_id) for matched in command.events for _, webhook_id in matched.deliveries
        }
        for team_id, webhook_id in changed:
            self._parts.changes.publish(team_id, webhook_id)

    def _wake_endpoints(self, command: AcceptEvents) -> None:
        # It may be committed all the same, if the writer crashed right after: whoever submits it again gets the first
        # receipt then, and no hint comes.
        self._parts.fleet.wake(webhook_id for matched in command.events for _, webhook_id in matched.deliveries)

    def _tell(self, request: _Request, accepted: Accepted) -> None:
        metrics = self._parts.metrics
        metrics.accept_duration_seconds.observe(trio.current_time() - request.submitted_at)
        if accepted.replayed:
            return
        metrics.events_accepted.inc(len(accepted.receipts))
        metrics.recently_accepted.count(len(accepted.receipts))
        metrics.deliveries[DeliveryStatus.PENDING].inc(sum(receipt.deliveries for receipt in accepted.receipts))

    def _count_refusal(self, error: Exception) -> None:
        conflict = isinstance(error, IdempotencyConflict)
        refusal = Refusal.IDEMPOTENCY_CONFLICT if conflict else Refusal.STORE_UNAVAILABLE
        self._parts.metrics.submissions_refused[refusal].inc()

    def _match_all(self, requests: Sequence[_Request]) -> list[AcceptEvents]:
        """Match the requests of one transaction: a team's deliveries wait behind those that are still to be made."""
        commands, waiting = [], set[str]()
        for request in requests:
            commands.append(self._match(request.submission, waiting))
            waiting.update(commands[-1].fan_outs)
        return commands

    def _match(self, submission: Submission, waiting: Set[str]) -> AcceptEvents:
        """Match a submission. Deliveries of a team in `waiting`, and too many of them, are left to be made later."""
        now, events = self._parts.now_ms(), submission.events
        kinds: list[_Kind] = [(event.team_id, event.type, event.only_webhook_id) for event in events]
        matches = {kind: self._webhooks_for(kind) for kind in dict.fromkeys(kinds)}
        total = sum(len(matches[kind]) for kind in kinds)
        fan_outs: dict[str, dict[str, Sequence[str]]] = {}
        for (team_id, event_type, _), webhook_ids in matches.items():
            is_later = total > _MOST_AT_ONCE or team_id in waiting or self._parts.fan_outs.has_unfinished(team_id)
            if webhook_ids and is_later:
                fan_outs.setdefault(team_id, {})[event_type] = webhook_ids
        matched = tuple(
            self._match_event(event, now, matches[kind], event.team_id in fan_outs)
            for event, kind in zip(events, kinds, strict=True)
        )
        return AcceptEvents(matched, submission.idempotency, now, fan_outs)

    def _webhooks_for(self, kind: _Kind) -> Sequence[str]:
        team_id, event_type, only = kind
        webhook_ids = self._parts.index.match(team_id, event_type)
        return webhook_ids if only is None else [one for one in webhook_ids if one == only]

    def _match_event(self, event: NewEvent, now: int, webhook_ids: Sequence[str], is_later: bool) -> MatchedEvent:
        new_id = self._parts.new_id
        accepted = Event(
            new_id("evt"), event.team_id, event.type, event.timestamp, event.body, now, event.test, event.traceparent
        )
        if is_later:
            return MatchedEvent(accepted, (), len(webhook_ids))
        return MatchedEvent(accepted, tuple([(new_id("dlv"), webhook_id) for webhook_id in webhook_ids]))
