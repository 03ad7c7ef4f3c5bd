"""The router actor: takes submissions in, commits all that wait at once, wakes the right actors."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.clock import NowMs
from daemon.errors import IdempotencyConflict, Overloaded, Stopping, StoreUnavailable, UnknownTeam
from daemon.fleet import Fleet
from daemon.metrics import Metrics, Refusal
from daemon.model import DeliveryStatus, Event
from daemon.news import News
from daemon.patience import persist
from daemon.reply import Reply
from daemon.spans import NO_SPANS, Spans
from daemon.store import daemon_queries
from daemon.store.commands import Accepted, AcceptEvents
from daemon.store.reader import Reader
from daemon.store.writer import Writer
from daemon.submission import MatchedEvent, NewEvent, Receipt, Submission
from daemon.subscriptions import SubscriptionIndex
from daemon.trace import trace_id_of

# Enough to fill a transaction well; what waits behind it gets the next one.
_EVENTS_PER_COMMIT = 2_000
_WEBHOOKS_PER_PAGE = 1_000
_DELIVERIES_PER_LINE = 100
_LINES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class InboxLimits:
    """How much may wait for its commit before submissions are refused."""

    events: int
    size_bytes: int


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
    news: News
    log: FilteringBoundLogger
    spans: Spans = NO_SPANS


@dataclass(frozen=True, slots=True)
class _Request:
    submission: Submission
    submitted_at: float
    reply: Reply[tuple[Receipt, ...]] = field(default_factory=Reply)

    @property
    def size_bytes(self) -> int:
        return sum(len(event.body) for event in self.submission.events)


class Router:
    """Owns who subscribes, and tells the fleet what came."""

    def __init__(self, parts: RouterParts) -> None:
        self._parts = parts
        self._inbox: deque[_Request] = deque()
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._wake = trio.Event()
        self._closed = False

    @property
    def waiting_events(self) -> int:
        """How many events wait for their commit."""
        return self._waiting_events

    async def submit(self, submission: Submission) -> tuple[Receipt, ...]:
        """Accept events, all or none; return a receipt for each, in order, after COMMIT (contract "HTTP API").

        Raises UnknownTeam, Overloaded, Stopping and StoreUnavailable, with nothing kept, and IdempotencyConflict.
        A caller that is cancelled here does not take its submission back.
        """
        request = _Request(submission, trio.current_time())
        self._check(request)
        self._enqueue(request)
        return await request.reply.wait()

    def close(self) -> None:
        """Refuse what comes; `run` ends when it has committed what waits."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit what waits, batch after batch, until closed. Beside it, have all that is pending delivered."""
        async with trio.open_nursery() as nursery:
            # After a crash of this actor, too: hints of what it had committed may be lost.
            nursery.start_soon(self._resume_all)
            await self._commit_until_closed()
            nursery.cancel_scope.cancel()

    async def _resume_all(self) -> None:
        parts = self._parts
        behind: str | None = ""
        while behind is not None:
            read = partial(parts.reader.fetch, daemon_queries.webhooks_with_work, behind, _WEBHOOKS_PER_PAGE)
            page = await persist(read, parts.log)
            for webhook_id in page.webhook_ids:
                await parts.fleet.resume(webhook_id)
            behind = page.behind

    async def _commit_until_closed(self) -> None:
        while True:
            while self._inbox:
                await self._commit(self._take())
            if self._closed:
                return
            self._wake = trio.Event()
            await self._wake.wait()

    def _check(self, request: _Request) -> None:
        parts = self._parts
        for index, event in enumerate(request.submission.events):
            if event.team_id not in parts.teams:
                parts.metrics.submissions_refused[Refusal.UNKNOWN_TEAM].inc()
                raise UnknownTeam(event.team_id, index)
        if self._closed:
            parts.metrics.submissions_refused[Refusal.STOPPING].inc()
            raise Stopping("the daemon is stopping: send it again in a moment")
        too_many = self._waiting_events + len(request.submission.events) > parts.limits.events
        if too_many or self._waiting_bytes + request.size_bytes > parts.limits.size_bytes:
            parts.metrics.submissions_refused[Refusal.OVERLOADED].inc()
            raise Overloaded("more events wait than the daemon takes in: send it again in a moment")

    def _enqueue(self, request: _Request) -> None:
        self._waiting_events += len(request.submission.events)
        self._waiting_bytes += request.size_bytes
        self._inbox.append(request)
        self._wake.set()

    def _take(self) -> list[_Request]:
        taken: list[_Request] = []
        events = 0
        while self._inbox and events < _EVENTS_PER_COMMIT:
            taken.append(self._inbox.popleft())
            events += len(taken[-1].submission.events)
        return taken

    async def _commit(self, requests: list[_Request]) -> None:
        try:
            commands = [self._match(request.submission) for request in requests]
            answers = await self._parts.writer.execute_all(commands)
        except BaseException:
            for request in requests:
                request.reply.settle(StoreUnavailable("the router crashed in the middle of it: send it again"))
            raise
        finally:
            self._waiting_events -= sum(len(request.submission.events) for request in requests)
            self._waiting_bytes -= sum(request.size_bytes for request in requests)
        for request, answer in zip(requests, answers, strict=True):
            self._answer(request, answer)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Accepted):
                self._hint(answer)
                self._tell_news(command)
                if not answer.replayed:
                    await self._log(command)
            elif isinstance(answer, StoreUnavailable):
                self._rouse(command)

    def _answer(self, request: _Request, answer: Accepted | Exception) -> None:
        if isinstance(answer, Exception):
            self._count_refusal(answer)
            request.reply.settle(answer)
            return
        request.reply.settle(answer.receipts)
        self._tell(request, answer)

    def _hint(self, accepted: Accepted) -> None:
        for webhook_id, work in accepted.work:
            self._parts.fleet.offer(webhook_id, work)

    def _tell_news(self, command: AcceptEvents) -> None:
        for matched in command.events:
            for _, webhook_id in matched.deliveries:
                self._parts.news.tell(matched.event.team_id, webhook_id)

    def _rouse(self, command: AcceptEvents) -> None:
        # It may be committed all the same, if the writer crashed right after: whoever submits it again gets the first
        # receipt then, and no hint comes.
        self._parts.fleet.rouse(webhook_id for matched in command.events for _, webhook_id in matched.deliveries)

    def _tell(self, request: _Request, accepted: Accepted) -> None:
        metrics = self._parts.metrics
        metrics.accept_duration_seconds.observe(trio.current_time() - request.submitted_at)
        if accepted.replayed:
            return
        metrics.events_accepted.inc(len(accepted.receipts))
        metrics.accepted_pace.count(len(accepted.receipts))
        metrics.deliveries[DeliveryStatus.PENDING].inc(len(accepted.work))

    async def _log(self, command: AcceptEvents) -> None:
        for place, matched in enumerate(command.events):
            event = matched.event
            self._parts.spans.event_accepted(event, len(matched.deliveries))
            self._parts.log.info(
                "event_accepted",
                eventId=event.id,
                eventType=event.type,
                teamId=event.team_id,
                deliveryIds=[delivery_id for delivery_id, _ in matched.deliveries[:_DELIVERIES_PER_LINE]],
                test=event.test,
                traceId=trace_id_of(event.traceparent),
            )
            if place % _LINES_AT_ONCE == _LINES_AT_ONCE - 1:
                await trio.lowlevel.checkpoint()

    def _count_refusal(self, error: Exception) -> None:
        conflict = isinstance(error, IdempotencyConflict)
        refusal = Refusal.IDEMPOTENCY_CONFLICT if conflict else Refusal.STORE_UNAVAILABLE
        self._parts.metrics.submissions_refused[refusal].inc()

    def _match(self, submission: Submission) -> AcceptEvents:
        now = self._parts.now_ms()
        matched = tuple(self._match_event(event, now) for event in submission.events)
        return AcceptEvents(matched, submission.idempotency, now)

    def _match_event(self, event: NewEvent, now: int) -> MatchedEvent:
        new_id = self._parts.new_id
        accepted = Event(
            new_id("evt"), event.team_id, event.type, event.timestamp, event.body, now, event.test, event.traceparent
        )
        webhook_ids = self._parts.index.match(event.team_id, event.type)
        if event.only_webhook_id is not None:
            webhook_ids = [webhook_id for webhook_id in webhook_ids if webhook_id == event.only_webhook_id]
        return MatchedEvent(accepted, tuple((new_id("dlv"), webhook_id) for webhook_id in webhook_ids))
