"""A crash is logged and healed, costs nobody else anything, loses nothing (architecture "Supervision and stopping")."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.actors.supervisor import ActorFailed, Budget, Child, supervise, supervise_vital
from daemon.config.settings import LogSettings
from daemon.delivery.mailbox import Change
from daemon.domain.changes import Delete, WebhookChange
from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import Team, Webhook
from daemon.egress.post import Post
from daemon.egress.response import Response
from daemon.egress.transport import Transport
from daemon.telemetry.log import make_logger
from daemon.telemetry.metrics import ActorKind
from tests.actors.receivers import A, B, slow
from tests.faults.sabotage import Bug, Point, Saboteur, gives_up
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, make_settings, running, statuses

Result = TypeVar("Result")
BACKOFFS = [0.1, 0.2, 0.4, 0.8, 1.6]
CRASHES_AT = [sum(BACKOFFS[:count]) for count in range(6)]


def answers(*steps: int | Exception) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Answer with these statuses, or crash the actor with these errors, one for each request; the last one for ever."""
    left = list(steps)

    async def handle(_request: httpx.Request) -> httpx.Response:
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step)

    return handle


def restarts(daemon: RunningDaemon, kind: ActorKind) -> float | None:
    name = "kakiyo_webhooks_actor_restarts_total"
    return daemon.parts.telemetry.metrics.registry.get_sample_value(name, {"kind": kind.value})


# -- endpoints


async def test_a_crashed_actor_is_logged_and_restarted_after_a_back_off(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = answers(RuntimeError("bug one"), RuntimeError("bug two"), 200)
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    assert [arrival.at for arrival in receiver.arrivals] == pytest.approx([0, 0.1, 0.3, 0.3], abs=1e-6)
    assert await daemon.statuses(webhook) == ["succeeded"] * 2
    lines = daemon.log_lines("actor_restarted")
    assert [(line["actor"], line["webhookId"]) for line in lines] == [("endpoint", webhook.id)] * 2
    assert [line["error"] for line in lines] == ["RuntimeError: bug one", "RuntimeError: bug two"]
    assert all("in handle" in line["traceback"] for line in lines)
    assert restarts(daemon, ActorKind.ENDPOINT) == 2


async def test_a_crash_neither_skips_nor_miscounts_an_attempt(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = answers(500, RuntimeError("bug"), 500, RuntimeError("bug"), 200)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    (delivery,) = await daemon.deliveries(webhook)
    assert [arrival.attempt for arrival in receiver.arrivals] == [1, 2, 2, 3, 3]
    assert [attempt.number for attempt in await daemon.attempts(delivery)] == [1, 2, 3]
    assert len({arrival.delivery_id for arrival in receiver.arrivals}) == 1
    assert (await daemon.current(webhook)).consecutive_failures == 0
    assert await daemon.balance(team) == -2


async def test_an_actor_that_keeps_crashing_is_parked_and_the_others_keep_their_pace(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = answers(RuntimeError("bug"))
    crashing, other = await daemon.webhook(team, A), await daemon.webhook(team, B)
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(3600)
    assert [arrival.at for arrival in daemon.receiver.at(A)] == pytest.approx(CRASHES_AT, abs=1e-6)
    assert await daemon.statuses(crashing) == ["pending"] * 3
    assert [round(arrival.at, 3) for arrival in daemon.receiver.at(B)] == [0, 0, 0]
    assert await daemon.statuses(other) == ["succeeded"] * 3
    (line,) = daemon.log_lines("actor_parked")
    assert line["webhookId"] == crashing.id
    assert (daemon.parts.fleet.parked, daemon.parts.fleet.alive) == (1, 0)


async def test_a_change_tries_a_parked_webhook_again_and_nothing_was_lost(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = answers(RuntimeError("bug"))
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    await daemon.submit(team, 3)
    await trio.sleep(60)
    assert daemon.parts.fleet.parked == 1
    await daemon.change(webhook, url=B)
    await trio.sleep(1)
    assert [arrival.number for arrival in daemon.receiver.at(B)] == [1, 2, 3]
    assert daemon.parts.fleet.parked == 0


async def test_a_webhook_that_crashes_at_every_attempt_can_be_disabled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = answers(RuntimeError("bug"))
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    changed = await daemon.change(webhook, active=False)
    assert changed is not None
    assert not changed.active
    assert await daemon.statuses(webhook) == ["cancelled"] * 2


async def test_a_change_requested_between_a_crash_and_the_restart_is_made_after_the_restart(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = answers(RuntimeError("bug"))
    await daemon.submit(team, 1)
    await trio.sleep(0.2)
    await daemon.change(webhook, url=B)
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_change_that_crashes_is_answered_and_the_delivery_in_flight_is_made_again(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    def crash(_webhook: Webhook, _change: WebhookChange) -> Webhook:
        raise RuntimeError("bug")

    monkeypatch.setattr("daemon.delivery.webhook_changes.apply_change", crash)
    daemon.receiver.answers[A] = slow(1)
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    change = Change(Delete(0))
    daemon.parts.fleet.request_change(webhook.id, change)
    with pytest.raises(StoreUnavailable):
        await change.reply.wait()
    await trio.sleep(60)
    assert [arrival.attempt for arrival in daemon.receiver.arrivals] == [1, 1]
    assert await daemon.statuses(webhook) == ["succeeded"]


async def change_in_vain(
    daemon: RunningDaemon, webhook: Webhook, run_read: FakeThread, *, active: bool, crash_at: float
) -> None:
    """Enable or disable the webhook, and have its actor crash `crash_at` seconds later, at its next reading."""

    async def change() -> None:
        with pytest.raises(StoreUnavailable):
            await daemon.change(webhook, active=active)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        await trio.sleep(crash_at)
        run_read.error = RuntimeError("bug")
        daemon.parts.fleet.wake([webhook.id])
        await trio.sleep(0.03)
        run_read.error = None


async def test_a_webhook_enabled_by_an_actor_that_crashed_in_the_commit_gets_new_events(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    run_write: FakeThread,
    run_read: FakeThread,
    autojump_clock: MockClock,
) -> None:
    await daemon.change(webhook, active=False)
    run_write.begin_s, run_read.begin_s = 0.05, 0.02
    # The change is being committed from 0.02 to 0.07.
    await change_in_vain(daemon, webhook, run_read, active=True, crash_at=0.03)
    await trio.sleep(1)
    await daemon.submit(team, 1)
    await trio.sleep(1)
    assert (await daemon.current(webhook)).active
    assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_change_whose_slow_commit_outlives_its_crashed_actor_becomes_known(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    run_write: FakeThread,
    run_read: FakeThread,
    autojump_clock: MockClock,
) -> None:
    await daemon.change(webhook, name="awake")
    run_write.begin_s, run_read.begin_s = 1, 0.02
    # The change is being committed until 1, and the next life begins before that.
    await change_in_vain(daemon, webhook, run_read, active=False, crash_at=0.1)
    await trio.sleep(5)
    assert not (await daemon.current(webhook)).active
    await daemon.submit(team, 1)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == []


class FragileTransport(Transport):
    """Takes 0.5 s for each request, and crashes the actor at its second `close()`, which comes after it has retired."""

    def __init__(self) -> None:
        self.closed = self.in_flight = self.most_in_flight = self.sent = 0

    async def send(self, post: Post, response: Response, deadline: float) -> None:
        self.sent += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await trio.sleep(0.5)
        self.in_flight -= 1
        response.status, response.complete = 200, True

    def close(self) -> None:
        self.closed += 1
        if self.closed == 2:
            raise RuntimeError("bug")


async def test_an_actor_that_crashes_after_it_has_retired_is_not_restarted_beside_its_successor(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    transport = FragileTransport()
    settings = make_settings(tmp_path, delivery={"idle_actor_s": 0.2})
    async with running(tmp_path, transport=lambda: transport, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(0.72)  # crashed at 0.7, to be restarted at 0.8
        assert len(daemon.log_lines("actor_restarted")) == 1
        await daemon.submit(team, 2, 3, 4, 5)
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["succeeded"] * 5
        assert (transport.most_in_flight, transport.sent) == (1, 5)
        assert daemon.parts.fleet.alive == 0


# -- the router and the store


async def test_a_crashed_router_answers_waiting_callers_and_is_restarted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock = FragileClock()
    async with running(tmp_path, adapt=lambda seams: replace(seams, now_ms=clock.around(seams.now_ms))) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await trio.sleep(2)  # the others have begun and read the clock: the next to read it is the router
        clock.broken = True
        with pytest.raises(StoreUnavailable):
            await daemon.submit(team, 1)
        await daemon.submit(team, 2)
        await trio.sleep(1)
        assert [arrival.number for arrival in daemon.receiver.arrivals] == [2]
        assert await daemon.statuses(webhook) == ["succeeded"]
        assert [line["actor"] for line in daemon.log_lines("actor_restarted")] == ["router"]
        assert daemon.parts.router.waiting_events == 0


async def test_events_submitted_right_after_a_crash_of_the_router_arrive_after_those_it_had_committed(
    daemon: RunningDaemon, team: Team, run_read: FakeThread, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    saboteur = Saboteur(Point("AcceptEvents", after=True, on_call=2), lambda: None)
    saboteur.enter(monkeypatch)
    webhooks = [await daemon.webhook(team, f"https://{number}.example/hook") for number in range(20)]
    saboteur.armed = True
    await daemon.submit(team, 1)  # the actors live, and take hints
    await trio.sleep(1)
    with pytest.raises((Bug, StoreUnavailable)):
        await daemon.submit(team, 2)
    run_read.answer_s = 1  # the restarted router learns too late which webhooks to wake
    await daemon.submit(team, 3)
    await trio.sleep(60)
    for webhook in webhooks:
        assert [arrival.number for arrival in daemon.receiver.at(webhook.url)] == [1, 2, 3]


async def test_a_crash_of_the_store_ends_the_daemon_at_once_and_is_logged(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    run_write, refused, logged = FakeThread(), [], []
    with gives_up():
        async with running(tmp_path, run_write=run_write) as daemon:
            team = await daemon.team()
            run_write.error = RuntimeError("bug")
            try:
                await daemon.submit(team, 1)
            except StoreUnavailable:
                refused.append(1)
            logged += [
                (line["actor"], line["error"])
                for line in daemon.log_lines("actor_restarts_exhausted", "actor_restarted")
            ]
            await trio.sleep_forever()
    assert (refused, logged) == ([1], [("store", "RuntimeError: bug")])


@pytest.mark.parametrize("is_committed", [False, True])
async def test_an_outcome_during_a_crash_of_the_store_is_committed_once_after_the_next_start(
    tmp_path: Path, autojump_clock: MockClock, is_committed: bool
) -> None:
    run_write, receiver = CrashingThread(is_committed), FakeReceiver()
    with gives_up():
        async with running(tmp_path, receiver, run_write=run_write) as daemon:
            team = await daemon.team()
            webhook = await daemon.webhook(team, A)
            await daemon.submit(team, 1)
            run_write.crashes = True
            await trio.sleep_forever()
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(60)
        assert [arrival.attempt for arrival in receiver.arrivals] == ([1] if is_committed else [1, 1])
        assert await daemon.statuses(webhook) == ["succeeded"]
        assert await daemon.balance(team) == -2


async def test_a_router_that_exhausts_its_restarts_ends_the_daemon(tmp_path: Path, autojump_clock: MockClock) -> None:
    clock, crashes = FragileClock(), 0
    with gives_up():
        async with running(tmp_path, adapt=lambda seams: replace(seams, now_ms=clock.around(seams.now_ms))) as daemon:
            team = await daemon.team()
            while True:
                await trio.sleep(2)  # the others have begun and read the clock: the next to read it is the router
                clock.broken = True
                crashes += 1
                with pytest.raises(StoreUnavailable):
                    await daemon.submit(team, crashes)
    assert crashes == Budget().restarts + 1


@dataclass(slots=True)
class CrashingThread:
    """A thread that `crashes`: before its work, or after it."""

    after: bool
    crashes: bool = False

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        await trio.lowlevel.checkpoint()
        if self.crashes and not self.after:
            raise RuntimeError("bug")
        result = work()
        if self.crashes:
            raise RuntimeError("bug")
        return result


@dataclass(slots=True)
class FragileClock:
    """A wall clock that crashes once, at its next reading, after it was made `broken`."""

    broken: bool = False

    def around(self, now_ms: Callable[[], int]) -> Callable[[], int]:
        def read() -> int:
            if self.broken:
                self.broken = False
                raise RuntimeError("the clock is broken")
            return now_ms()

        return read


# -- supervise() itself


async def supervised(run: Callable[[], Awaitable[None]], budget: Budget) -> bool:
    log = make_logger(LogSettings(format="json"), BytesIO(), strict=True)
    return await supervise(Child("endpoint", run, budget, "wh_1"), log, lambda: None)


async def test_a_child_that_ends_is_not_started_again(autojump_clock: MockClock) -> None:
    starts = []

    async def run() -> None:
        starts.append(trio.current_time())

    assert await supervised(run, Budget())
    assert len(starts) == 1


async def test_the_back_off_doubles_up_to_its_last_value_until_the_restarts_are_exhausted(
    autojump_clock: MockClock,
) -> None:
    starts = []

    async def run() -> None:
        starts.append(trio.current_time())
        raise ValueError

    assert not await supervised(run, Budget(restarts=5, window_s=60, first_backoff_s=1, last_backoff_s=5))
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits == pytest.approx([1, 2, 4, 5, 5])


async def test_crashes_older_than_the_window_do_not_count(autojump_clock: MockClock) -> None:
    starts = []

    async def run() -> None:
        starts.append(trio.current_time())
        await trio.sleep(20)
        if len(starts) < 50:
            raise ValueError

    assert await supervised(run, Budget(restarts=3, window_s=60))
    assert len(starts) == 50


async def test_a_vital_child_that_exhausts_its_restarts_raises_actor_failed(autojump_clock: MockClock) -> None:
    async def run() -> None:
        raise ValueError

    log = make_logger(LogSettings(format="json"), BytesIO(), strict=True)
    with pytest.raises(ActorFailed, match=r"^the router crashed 6 times in 60 s: "):
        await supervise_vital(Child("router", run), log, lambda: None)


async def test_a_group_of_an_error_and_a_cancellation_is_cancelled_and_not_restarted(
    autojump_clock: MockClock,
) -> None:
    starts = []

    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError

    async def run() -> None:
        starts.append(trio.current_time())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    with trio.move_on_after(1) as scope:
        await supervised(run, Budget())
    assert scope.cancelled_caught
    assert len(starts) == 1


async def test_an_error_whose_siblings_are_cancelled_by_it_is_a_crash_like_any_other(autojump_clock: MockClock) -> None:
    starts = []

    async def fail() -> None:
        raise ValueError

    async def run() -> None:
        starts.append(trio.current_time())
        if len(starts) == 1:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(fail)

    assert await supervised(run, Budget())
    assert len(starts) == 2


async def test_an_attempt_that_succeeded_right_before_a_crash_is_not_made_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: statuses(200)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(0.1)
        assert daemon.log_lines("delivery_succeeded")
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(60)
        assert len(receiver.arrivals) == 1
        assert await daemon.statuses(webhook) == ["succeeded"]
