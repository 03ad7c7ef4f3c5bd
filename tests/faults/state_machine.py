"""Random sequences of all that can happen to webhooks, done to the real actors and to a model of the contract alike."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import httpx
import orjson
import outcome
import pytest
import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, select

from daemon.actors.threads import run_inline
from daemon.delivery import fan_out, matcher
from daemon.delivery.fan_out import FanOuts
from daemon.domain.errors import StoreUnavailable, WebhookInactive
from daemon.domain.ids import fan_out_delivery_id
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import Team, Webhook
from daemon.seams import Seams
from daemon.store.reads import api_reads, gauge_reads
from daemon.store.reads.conditions import IS_COVERED
from daemon.store.schema import cancellations, deliveries
from daemon.store.sqlite.database import open_database
from daemon.store.writes import cancelling
from tests.faults.guest import Guest
from tests.faults.model_of_contract import Model, ModelEvent, ModelRecovery, ModelWebhook
from tests.support.daemon import RunningDaemon, VirtualWallClock, running
from tests.support.mock_transport import MockTransport

Result = TypeVar("Result")
TYPES = ("linkedin.message.sent", "linkedin.message.received")
SUBSCRIPTIONS = st.sampled_from([("*",), (TYPES[0],), (TYPES[1],)])
NAMES = st.sampled_from(["a", "b", "c"])
# No sum of these is a back-off: nothing ever happens at the very moment at which somebody does something.
WAITS_S = st.sampled_from([0.3137, 0.3137, 1.3771, 2.9113, 8.6393, 71.0519])
PAUSES_S = st.sampled_from([None, 0.9191, 5.5077])
BEHAVIOURS = st.tuples(st.sampled_from([200, 500, 404, 302, 204]), st.sampled_from([0.7019, 0, 0]))
DATABASE = "test.db"
MOST_AT_ONCE, PIECE = 4, 2


@cache
def empty_database() -> bytes:
    """Return a database as a first start makes it: making it takes as long as a hundred steps."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / DATABASE
        open_database(path).close()
        return path.read_bytes()


def being_cancelled(connection: Connection, webhook_id: str) -> dict[str, str]:
    """Return the pending deliveries of a webhook that are left to be cancelled, each with the reason."""
    query = select(deliveries.c.id, cancellations.c.reason).join(cancellations, onclause=IS_COVERED)
    query = query.where(deliveries.c.webhook_id == webhook_id, deliveries.c.status == "pending")
    return {row.id: row.reason for row in connection.execute(query.order_by(cancellations.c.seq.desc()))}


def result_of(answers: Sequence[outcome.Outcome[int | None]]) -> int | str | None:
    """Return what a recovery that was begun came to, in the words of the model."""
    match answers:
        case []:
            return None
        case [outcome.Value(value=value)]:
            return int(value)
        case [outcome.Error(error=WebhookInactive())]:
            return "refused"
        case [outcome.Error(error=StoreUnavailable())]:
            return "unavailable"
    raise AssertionError(answers)


class PieceGate:
    """Where the pieces of large submissions pass: all of them, or one after the other when it is told to."""

    def __init__(self) -> None:
        self.is_shut = False
        self._may_pass = 0
        self._waiting = trio.lowlevel.ParkingLot()

    async def open(self, pieces: int | None = None) -> None:
        """Let so many pieces pass, or all that come."""
        await trio.lowlevel.checkpoint()
        self.is_shut, self._may_pass = pieces is not None, pieces or 0
        self._waiting.unpark_all()

    async def wait(self) -> None:
        """Wait until it is open."""
        while self.is_shut and not self._may_pass:
            await self._waiting.park()
        self._may_pass -= self.is_shut

    def guard(self, patch: pytest.MonkeyPatch) -> None:
        """Stand before the pieces of every daemon, which then rests behind none: a wait here is no work."""

        async def run(fan_outs: FanOuts) -> None:
            while True:
                while not fan_outs._turns:
                    await fan_outs._added.park()
                await self.wait()
                await fan_outs._take_turn(fan_outs._turns.take())

        patch.setattr(FanOuts, "run", run)


class HangingDisk:
    """Where the writer's thread writes: a commit that begins while it hangs, waits."""

    def __init__(self) -> None:
        self.hangs = False
        self._waiting = trio.lowlevel.ParkingLot()

    async def run_write(self, work: Callable[[], Result], /) -> Result:
        while self.hangs:
            await self._waiting.park()
        return await run_inline(work)

    async def go_on(self) -> None:
        await trio.lowlevel.checkpoint()
        self.hangs = False
        self._waiting.unpark_all()

    def adapt(self, seams: Seams) -> Seams:
        return replace(seams, run_write=self.run_write)


class WebhooksMachine(RuleBasedStateMachine):
    """Three webhooks of one team."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        (self.directory / DATABASE).write_bytes(empty_database())
        self.model = Model()
        self.webhooks: dict[str, Webhook] = {}
        self.arrivals: dict[str, list[tuple[int, int]]] = {}
        self.mails = 0
        self.recoveries: list[tuple[list[outcome.Outcome[int | None]], ModelRecovery]] = []
        self.guest = Guest()
        self.guest.__enter__()
        # A few deliveries are many pages of a cancelling.
        self.small_pages = pytest.MonkeyPatch()
        self.small_pages.setattr(cancelling, "MAX_CANCELLED_PER_COMMIT", 2)
        # And a large submission, made in many pieces, which take no time.
        self.small_pages.setattr(matcher, "_MOST_AT_ONCE", MOST_AT_ONCE)
        self.small_pages.setattr(fan_out, "_DELIVERIES_AT_ONCE", PIECE)
        self.disk = HangingDisk()
        self.gate = PieceGate()
        self.gate.guard(self.small_pages)

    # -- the daemon

    async def _start(self) -> None:
        if not hasattr(self, "clock"):
            self.clock = VirtualWallClock()
        transport = MockTransport(self._receive)
        self.life: AbstractAsyncContextManager[RunningDaemon] = running(
            self.directory, clock=self.clock, transport=lambda: transport, adapt=self.disk.adapt
        )
        self.daemon = await self.life.__aenter__()

    async def _crash(self) -> None:
        self.mails += len(self.daemon.mails)
        self.disk.hangs = False  # what hangs in it is cut off with the rest
        await self.life.__aexit__(None, None, None)

    async def _receive(self, request: httpx.Request) -> httpx.Response:
        webhook = self.model.webhooks[request.url.host]
        number = orjson.loads(await request.aread())["data"]["n"]
        self.arrivals[webhook.name].append((number, int(request.headers["x-kakiyo-attempt"])))
        answer = webhook.answer
        await trio.sleep(webhook.takes_s)
        return httpx.Response(answer)

    @initialize(
        events=st.tuples(SUBSCRIPTIONS, SUBSCRIPTIONS, SUBSCRIPTIONS),
        behaviours=st.tuples(BEHAVIOURS, BEHAVIOURS, BEHAVIOURS),
    )
    def begin(self, events: tuple[tuple[str, ...], ...], behaviours: tuple[tuple[int, float], ...]) -> None:
        self.guest.run(self._start)
        self.team: Team = self.guest.run(self.daemon.team)
        for name, subscribed, (answer, takes_s) in zip("abc", events, behaviours, strict=True):
            self.webhooks[name] = self.guest.run(self.daemon.webhook, self.team, f"https://{name}/hook", *subscribed)
            self.model.webhooks[name] = ModelWebhook(name, subscribed, answer, takes_s)
            self.arrivals[name] = []

    # -- what happens

    @rule(event_type=st.sampled_from(TYPES), count=st.integers(1, 3))
    def submit(self, event_type: str, count: int) -> None:
        first = len(self.model.events)
        events = [ModelEvent(number, event_type) for number in range(first, first + count)]
        self.model.submit(*events, most_at_once=MOST_AT_ONCE)
        submit = self.daemon.submit
        self.guest.run(lambda: submit(self.team, *(event.number for event in events), event=event_type))
        if not self.gate.is_shut:
            self.model.make_all()

    @rule(event_type=st.sampled_from(TYPES), count=st.integers(1, 5), seconds=WAITS_S)
    def submit_and_wait(self, event_type: str, count: int, seconds: float) -> None:
        self.submit(event_type, count)
        self.wait(seconds)

    @rule()
    def hold_large_submissions(self) -> None:
        """From now on pieces of their deliveries are made by `make_a_piece` only."""
        self.gate.is_shut = True

    @precondition(lambda self: self.gate.is_shut and self.model.deferred_deliveries)
    @rule()
    def make_a_piece(self) -> None:
        left = self.model.deferred_deliveries - min(PIECE, self.model.deferred_deliveries)
        self.guest.run(self.gate.open, 1)
        self.model.make({name: self._made_now(name) for name in self.model.webhooks})
        assert self.model.deferred_deliveries == left

    def _made_now(self, name: str) -> int:
        """Return how many deliveries of large submissions there are of this webhook that the model knows nothing of."""
        found = self.guest.run(self.daemon.deliveries, self.webhooks[name])
        fanned_out = sum(one.id == fan_out_delivery_id(one.event_id, one.webhook_id) for one in found)
        return fanned_out - sum(one.fanned_out for one in self.model.webhooks[name].made)

    @precondition(lambda self: self.gate.is_shut)
    @rule()
    def go_on_with_large_submissions(self) -> None:
        while self.model.recoveries:  # each queues its own before the next piece
            self.make_a_piece()
        self.guest.run(self.gate.open)
        self.model.make_all()

    @rule(name=NAMES, behaviour=BEHAVIOURS)
    def receiver_changes(self, name: str, behaviour: tuple[int, float]) -> None:
        self.model.webhooks[name].answer, self.model.webhooks[name].takes_s = behaviour

    @rule(seconds=WAITS_S)
    def wait(self, seconds: float) -> None:
        self.guest.sleep(seconds)
        self.model.advance(self.model.now + seconds)

    @precondition(lambda self: self.is_known_without_reading)
    @rule(seconds=WAITS_S)
    def wait_while_the_disk_hangs(self, seconds: float) -> None:
        self._hang(seconds)
        self.guest.run(self.disk.go_on)
        self.model.disk_goes_on()

    @precondition(lambda self: self.is_known_without_reading)
    @rule(seconds=WAITS_S)
    def crash_while_the_disk_hangs(self, seconds: float) -> None:
        self._hang(seconds)
        self.crash_and_restart()

    @property
    def is_known_without_reading(self) -> bool:
        """Whether actors know all that waits: nothing is read while outcomes are open, which the model leaves out."""
        return not any(webhook.is_behind and webhook.has_work for webhook in self.model.webhooks.values())

    def _hang(self, seconds: float) -> None:
        self.disk.hangs = self.model.disk_hangs = True
        self.wait(seconds)
        self.the_daemon_is_as_the_model_says()

    @rule(name=NAMES, events=SUBSCRIPTIONS)
    def edit(self, name: str, events: tuple[str, ...]) -> None:
        if self._change(name, WebhookEdit(events=events)):
            self.model.webhooks[name].events = events
            self.model.webhooks[name].is_behind = True

    @rule(name=NAMES)
    def disable(self, name: str) -> None:
        if self._change(name, WebhookEdit(active=False)):
            self.model.disable(self.model.webhooks[name])

    @rule(name=NAMES)
    def enable(self, name: str) -> None:
        if self._change(name, WebhookEdit(active=True)):
            self.model.enable(self.model.webhooks[name])

    @rule(name=NAMES, for_s=PAUSES_S)
    def pause(self, name: str, for_s: float | None) -> None:
        webhook = self.model.webhooks[name]
        resumes_at = None if for_s is None else self.clock() + round(for_s * 1000)
        try:
            changed = self._change(name, WebhookEdit(paused=True, resumes_at=resumes_at))
        except WebhookInactive:
            assert not self.model.pause(webhook, for_s)
        else:
            assert not changed or self.model.pause(webhook, for_s)

    @rule(name=NAMES)
    def resume(self, name: str) -> None:
        if self._change(name, WebhookEdit(paused=False)):
            self.model.resume(self.model.webhooks[name])

    @precondition(lambda self: len(self.model.events) > 4)
    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        deleted = self.guest.run(self.daemon.parts.webhooks.delete, self.webhooks[name].id)
        assert deleted == (not self.model.webhooks[name].deleted)
        if deleted:
            self.model.delete(self.model.webhooks[name])

    @rule(name=NAMES, data=st.data())
    def resend(self, name: str, data: st.DataObject) -> None:
        webhook = self.model.webhooks[name]
        if webhook.active and webhook.made:
            place = data.draw(st.integers(0, len(webhook.made) - 1))
            chosen = self.guest.run(self.daemon.deliveries, self.webhooks[name])[place]
            assert self.guest.run(self.daemon.parts.replays.resend, chosen.id)
            self.model.resend(webhook, webhook.made[place])

    @rule(name=NAMES)
    def recover(self, name: str) -> None:
        webhook, recover = self.model.webhooks[name], self.daemon.parts.replays.recover
        if webhook.active and self.model.deferred_deliveries:  # it waits for what is still to be made
            answers = self.guest.begin(recover, self.webhooks[name].id, 0)
            self.recoveries.append((answers, self.model.begin_to_recover(webhook)))
        elif webhook.active:
            assert self.guest.run(recover, self.webhooks[name].id, 0) == self.model.recover(webhook)

    @rule()
    def crash_and_restart(self) -> None:
        self.guest.run(self._crash)
        self.model.crash()
        self.recoveries.clear()
        self.guest.run(self._start)

    def _change(self, name: str, edit: WebhookEdit) -> bool:
        changed = self.guest.run(self.daemon.parts.webhooks.change, self.webhooks[name].id, edit)
        assert (changed is None) == self.model.webhooks[name].deleted
        return changed is not None

    async def _commit_at_once(self) -> None:
        """Have the outcomes committed that may wait for a commit to share: those of the model never wait."""
        await trio.lowlevel.checkpoint()
        self.daemon.parts.store.writer.hurry()

    # -- both say the same

    @invariant()
    def the_daemon_is_as_the_model_says(self) -> None:
        if not self.webhooks:
            return
        self.model.advance(self.model.now)
        self.guest.run(self._commit_at_once)
        for name, expected in self.model.webhooks.items():
            assert self.arrivals[name] == expected.arrivals
            found = self.guest.run(self.daemon.deliveries, self.webhooks[name])
            # Those that a cancelling has not reached are as good as cancelled.
            doomed = self.guest.run(self.daemon.parts.store.reader.fetch, being_cancelled, self.webhooks[name].id)
            assert [
                ("cancelled", one.attempts_made, doomed[one.id])
                if one.id in doomed
                else (one.status.value, one.attempts_made, one.cancel_reason and one.cancel_reason.value)
                for one in found
            ] == [(one.status, one.attempts, one.reason) for one in expected.made]
            if not expected.deleted:
                self._compare_webhook(self.webhooks[name], expected)
        deferred_deliveries = self.guest.run(self.daemon.parts.store.reader.fetch, gauge_reads.deliveries_to_come)
        assert deferred_deliveries.count == self.model.deferred_deliveries
        assert self.guest.run(self.daemon.balance, self.team) == self.model.balance
        assert self.mails + len(self.daemon.mails) == self.model.mails
        assert [result_of(answers) for answers, _ in self.recoveries] == [one.result for _, one in self.recoveries]

    def _compare_webhook(self, webhook: Webhook, expected: ModelWebhook) -> None:
        shown = self.guest.run(self.daemon.parts.store.reader.fetch, api_reads.get_webhook, webhook.id)
        assert shown is not None
        assert (shown.paused_at is not None) == (expected.paused_until is not None)
        assert (shown.active, shown.consecutive_failures, shown.events, shown.disabled_reason) == (
            expected.active,
            expected.failures,
            expected.events,
            expected.disabled_reason,
        )

    def teardown(self) -> None:
        if self.webhooks:
            self.guest.run(self._crash)
        self.guest.__exit__(None, None, None)
        self.small_pages.undo()
        shutil.rmtree(self.directory)
