"""A daemon in a test's own task: real actors and a real database, in virtual or real time."""

import io
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import trio
from msgspec import structs
from trio.testing import MockClock

from daemon.actors.threads import RunInThread, run_inline
from daemon.config.reload import fixed
from daemon.config.settings import LogSettings, Settings
from daemon.crypto.vault import Vault
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.mails import Mail
from daemon.domain.model import Attempt, CreditEntry, Delivery, Team, Webhook
from daemon.domain.operations import OPERATORS_TEAM, About, BodyFormat
from daemon.domain.submission import NewEvent, Submission
from daemon.egress.transport import Transport
from daemon.mail.result import SendResult
from daemon.run import run_daemon
from daemon.seams import Seams
from daemon.store.reads import api_reads, delivery_reads
from daemon.telemetry.log import make_logger
from daemon.telemetry.log_events import LOG_EVENTS
from daemon.telemetry.metrics import make_metrics
from daemon.wiring import Daemon, assemble
from tests.support.engines import AnyDatabase, open_engine
from tests.support.mock_transport import Handler, MockTransport

EPOCH_MS = 1_800_000_000_000
OPERATOR_KEY = "operator-key-of-the-tests"

_SENT = "linkedin.message.sent"

Result = TypeVar("Result")


class VirtualWallClock:
    """The wall clock of virtual time: it goes with Trio's clock, and `offset_ms` makes it jump."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self._zero = trio.current_time()

    def __call__(self) -> int:
        return EPOCH_MS + round((trio.current_time() - self._zero) * 1000) + self.offset_ms


@dataclass(frozen=True, slots=True)
class Arrival:
    """One POST as the receiver saw it; `at` is in seconds since the receiver was made."""

    at: float
    url: str
    headers: httpx.Headers
    body: bytes

    @property
    def attempt(self) -> int:
        return int(self.headers["x-kakiyo-attempt"])

    @property
    def delivery_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def number(self) -> Any:
        """The `n` of the event's data: which of the test's events it is."""
        return orjson.loads(self.body)["data"]["n"]


@dataclass(slots=True)
class FakeReceiver:
    """All receivers, in virtual time: `answers` maps URLs to handlers, and any other URL gets 200."""

    answers: dict[str, Handler] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    _zero: float = field(default_factory=trio.current_time)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        at = trio.current_time() - self._zero
        self.arrivals.append(Arrival(at, str(request.url), request.headers, await request.aread()))
        handler = self.answers.get(str(request.url))
        return httpx.Response(200) if handler is None else await handler(request)

    def at(self, url: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.url == url]


def statuses(*codes: int) -> Handler:
    """Answer with these statuses, one for each request; the last one for ever."""
    left = list(codes)

    async def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(left.pop(0) if len(left) > 1 else left[0])

    return handle


@dataclass(slots=True)
class FakeThread:
    """A thread in virtual time: the work is done after `begin_s`, its answer arrives `answer_s` later.

    With `error`, the work is not done: the error is what arrives.
    """

    begin_s: float = 0
    answer_s: float = 0
    error: Exception | None = None

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        await trio.sleep(self.begin_s)
        if self.error is not None:
            raise self.error
        result = work()
        await trio.sleep(self.answer_s)
        return result


@dataclass(slots=True)
class RunningDaemon:
    """A running daemon and what a test asks of it."""

    parts: Daemon
    receiver: FakeReceiver
    clock: VirtualWallClock
    log: io.BytesIO
    mails: list[Mail]
    stop: trio.Event
    stopped: trio.Event
    database: AnyDatabase

    @property
    def now(self) -> float:
        return trio.current_time()

    async def team(self, *, emails: tuple[str, ...] = ("ops@example.com",)) -> Team:
        return await self.parts.teams.create(None, "Acme", emails)

    async def webhook(self, team: Team, url: str, *events: str, secret: str | None = None) -> Webhook:
        return await self.parts.webhooks.create(team.id, "CRM Sync", url, secret, events or ("*",))

    async def operational_webhook(
        self, team: Team | None, url: str, *events: str, body_format: BodyFormat = BodyFormat.STANDARD
    ) -> Webhook:
        """Register an operational webhook of a team, or of the operator (None)."""
        if team is None:
            await self.parts.teams.make_operators_team()
        return await self.parts.webhooks.create(
            OPERATORS_TEAM if team is None else team.id,
            "Ops",
            url,
            None,
            events or ("*",),
            about=About.OPERATIONS,
            body_format=body_format,
        )

    async def submit(self, team: Team, *numbers: int, size: int = 0, event: str = "linkedin.message.sent") -> list[str]:
        """Submit one event for each number, all in one submission; return their ids."""
        events = tuple(self._event(team, number, size, event) for number in numbers)
        return [receipt.event_id for receipt in await self.parts.router.submit(Submission(events))]

    async def submit_on(self, team: Team, terms: DeliveryTerms, *numbers: int) -> list[str]:
        """Submit one event for each number, all on these terms; return their ids."""
        events = tuple(structs.replace(self._event(team, number, 0, _SENT), terms=terms) for number in numbers)
        return [receipt.event_id for receipt in await self.parts.router.submit(Submission(events))]

    async def submit_test(self, team: Team, number: int = 0, event: str = "linkedin.message.sent") -> str:
        """Submit one event as the test route does; return its id."""
        test = structs.replace(self._event(team, number, 0, event), test=True)
        (receipt,) = await self.parts.router.submit(Submission((test,)))
        return receipt.event_id

    async def deliveries(self, webhook: Webhook) -> list[Delivery]:
        """Return a webhook's deliveries, oldest first."""
        wanted = DeliveryFilter(webhook_id=webhook.id)
        page = await self.parts.store.reader.fetch(delivery_reads.list_deliveries, wanted, 10_000)
        return list(reversed(page.items))

    async def attempts(self, delivery: Delivery) -> list[Attempt]:
        return await self.parts.store.reader.fetch(api_reads.get_attempts, delivery.id)

    async def current(self, webhook: Webhook) -> Webhook:
        found = await self.parts.store.reader.fetch(api_reads.get_webhook, webhook.id)
        assert found is not None
        return found

    async def change(self, webhook: Webhook, **edit: Any) -> Webhook | None:
        return await self.parts.webhooks.change(webhook.id, WebhookEdit(**edit))

    async def balance(self, team: Team) -> int:
        return await self.parts.store.reader.fetch(api_reads.get_balance, team.id)

    async def grant(self, team: Team, amount: int) -> None:
        assert await self.parts.teams.grant_credits(team.id, amount, None) is not None

    async def ledger(self, team: Team) -> list[CreditEntry]:
        """Return a team's ledger, oldest first."""
        page = await self.parts.store.reader.fetch(api_reads.list_credit_entries, team.id, 10_000)
        return list(reversed(page.items))

    async def statuses(self, webhook: Webhook) -> list[str]:
        """Return the statuses of a webhook's deliveries, oldest first."""
        return [delivery.status.value for delivery in await self.deliveries(webhook)]

    def log_lines(self, *names: str) -> list[dict[str, Any]]:
        if unknown := set(names) - LOG_EVENTS.keys():
            raise ValueError(f"not in daemon/telemetry/log_events.py: {', '.join(unknown)}")
        lines = [orjson.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if not names or line["event"] in names]

    def submission(self, team: Team, number: int, key_id: str) -> Submission:
        """Return an event as a request with this key would submit it."""
        return Submission((self._event(team, number, 0, "linkedin.message.sent"),), key_id=key_id)

    def _event(self, team: Team, number: int, size: int, event: str) -> NewEvent:
        data = {"n": number, "filler": "x" * size}
        body = {"event": event, "teamId": team.id, "timestamp": "2027-01-15T08:00:00.000Z", "data": data}
        return NewEvent(team.id, event, EPOCH_MS, orjson.dumps(body))


@dataclass(slots=True)
class Outbox:
    """A mail server that takes everything."""

    mails: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> SendResult:
        await trio.lowlevel.checkpoint()
        self.mails.append(mail)
        return SendResult(taken=mail.recipients)


def make_settings(state_dir: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"state_dir": state_dir, **sections})


@asynccontextmanager
async def running(
    state_dir: Path,
    receiver: FakeReceiver | None = None,
    clock: VirtualWallClock | None = None,
    settings: Settings | None = None,
    transport: Callable[[], Transport] | None = None,
    run_write: RunInThread = run_inline,
    run_read: RunInThread = run_inline,
    adapt: Callable[[Seams], Seams] = lambda seams: seams,
) -> AsyncIterator[RunningDaemon]:
    """Run a daemon on `state_dir`; leaving the block crashes it, as a kill would. Set `daemon.stop` for a clean stop.

    `run_write` and `run_read` are the threads of the store, such as a slow or failing FakeThread; `adapt` may put
    something else into the other seams.
    """
    receiver, clock = receiver or FakeReceiver(), clock or VirtualWallClock()
    settings = settings or make_settings(state_dir)
    log, outbox = io.BytesIO(), Outbox()
    seams = Seams(
        now_ms=clock,
        run_write=run_write,
        run_read=run_read,
        run_checkpoint=run_inline,
        make_transport=transport or (lambda: MockTransport(receiver.handle)),
        check_url=_accept_url,
        check_proxy=_accept_url,
        send_mail=outbox.send,
    )
    database = open_engine(state_dir)
    logger = make_logger(LogSettings(level="debug", format="json"), log, now_ms=clock, strict=True)
    vault, live = Vault([bytes(32)]), fixed(settings)
    parts = await assemble(
        live,
        database,
        vault=vault,
        operator_key=OPERATOR_KEY,
        seams=adapt(seams),
        metrics=make_metrics(),
        log=logger,
    )
    daemon = RunningDaemon(parts, receiver, clock, log, outbox.mails, trio.Event(), trio.Event(), database)
    try:
        async with trio.open_nursery() as nursery:
            ready = trio.Event()
            nursery.start_soon(_run, daemon, ready, settings)
            await ready.wait()
            yield daemon
            nursery.cancel_scope.cancel()
    finally:
        database.close()


async def _run(daemon: RunningDaemon, ready: trio.Event, settings: Settings) -> None:
    await run_daemon(daemon.parts, daemon.stop.wait, ready, daemon.stop, settings.delivery.stop_grace_s)
    daemon.stopped.set()


async def skip_ahead(seconds: float) -> None:
    """Let virtual time jump, by half an hour at a time: a daemon at rest wakes once, and not each minute for nothing.

    No further at once: a clock that jumps by more than an hour is doubted, and nothing is deleted by it.
    """
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    steps = math.ceil(seconds / 1800)
    for _ in range(steps):
        clock.jump(seconds / steps - 1)
        await trio.sleep(1)


async def _accept_url(_url: str, _team_id: str) -> None:
    await trio.lowlevel.checkpoint()


def in_order(items: Sequence[int]) -> bool:
    return list(items) == sorted(items)
