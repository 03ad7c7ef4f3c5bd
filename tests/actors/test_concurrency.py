"""Webhooks that get several deliveries at once, in virtual time (contract "Options of a webhook", `concurrency`)."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.delivery.open_outcomes import MOST_OPEN
from daemon.delivery.parallel import MOST_WAITING
from daemon.domain.model import Team, Webhook
from daemon.domain.webhook_options import WebhookOptions
from daemon.seams import Seams
from daemon.store.writes import cancelling
from tests.actors.receivers import A, B, slow
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, make_settings, running

pytestmark = pytest.mark.usefixtures("each_engine")

AT_ONCE, TAKES_S = 4, 1.0


async def choose(daemon: RunningDaemon, webhook: Webhook, at_once: int = AT_ONCE, **others: object) -> None:
    options = WebhookOptions(concurrency=at_once, **others)  # type: ignore[arg-type]
    await daemon.change(webhook, options=options, changed_options=("concurrency", *others))


@dataclass(slots=True)
class Receiver:
    """Takes `TAKES_S` for each POST to A, and says what it answers: by event and attempt, 200 unless told otherwise."""

    inner: FakeReceiver
    status_of: Callable[[int, int], int] = lambda _number, _attempt: 200
    takes_s: Callable[[int], float] = lambda _number: TAKES_S
    in_flight: int = 0
    most_in_flight: int = 0
    sent: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.inner.answers[A] = self.answer

    async def answer(self, request: httpx.Request) -> httpx.Response:
        number, attempt = self.inner.arrivals[-1].number, int(request.headers["x-kakiyo-attempt"])
        self.sent[f"{request.headers['webhook-id']} {attempt}"] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await trio.sleep(self.takes_s(number))
        finally:
            self.in_flight -= 1
        return httpx.Response(self.status_of(number, attempt))

    @property
    def numbers(self) -> list[int]:
        return [arrival.number for arrival in self.inner.at(A)]


def nearly_in_order(numbers: Sequence[int]) -> bool:
    """Whether each comes in order, but for those that begin at the same moment."""
    return all(abs(place - number) < AT_ONCE for place, number in enumerate(numbers))


@pytest.fixture
async def parallel(daemon: RunningDaemon, webhook: Webhook, receiver: FakeReceiver) -> Receiver:
    await choose(daemon, webhook)
    return Receiver(receiver)


async def test_so_many_are_delivered_at_once_and_begin_in_order(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(40))
    await trio.sleep(40 / AT_ONCE * TAKES_S + 1)
    assert nearly_in_order(parallel.numbers)
    assert parallel.most_in_flight == AT_ONCE
    assert await daemon.statuses(webhook) == ["succeeded"] * 40
    assert await daemon.balance(team) == -80


async def test_one_is_sent_once_although_pages_are_read_while_others_are_under_way(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    parallel.takes_s = lambda number: 0.1 + number % 7 / 3
    await daemon.submit(team, *range(100))
    for number in range(60):
        await trio.sleep(0.27)
        await daemon.submit(team, 100 + number)
        daemon.parts.fleet.wake([webhook.id])
    await trio.sleep(60)
    assert sorted(parallel.numbers) == list(range(160))
    assert set(parallel.sent.values()) == {1}
    assert parallel.most_in_flight == AT_ONCE


async def test_a_delivery_that_waits_for_its_retry_holds_no_other_and_goes_first_when_it_is_due(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    parallel.status_of = lambda number, attempt: 500 if number == 0 and attempt == 1 else 200
    await daemon.submit(team, *range(30))
    await trio.sleep(30)
    [again] = [place for place, arrival in enumerate(parallel.inner.at(A)) if arrival.attempt == 2]
    assert nearly_in_order(parallel.numbers[:again])
    assert 4 < again <= 13  # after 1 s of the attempt and 1 s of back-off
    assert await daemon.statuses(webhook) == ["succeeded"] * 30


async def test_when_too_many_wait_for_their_retries_nothing_else_begins(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await choose(daemon, webhook, 32, retry_schedule=(1000.0,))
    parallel.status_of = lambda _number, attempt: 500 if attempt == 1 else 200
    await daemon.submit(team, *range(MOST_WAITING + 60))
    await trio.sleep(500)
    assert MOST_WAITING <= len(parallel.numbers) <= MOST_WAITING + 32
    await trio.sleep(4_000)
    assert await daemon.statuses(webhook) == ["succeeded"] * (MOST_WAITING + 60)


async def test_outcomes_count_in_the_order_in_which_attempts_end(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await choose(daemon, webhook, retry_schedule=())
    parallel.takes_s = lambda number: {0: 3.0}.get(number, 1.0)
    parallel.status_of = lambda number, _attempt: 200 if number == 0 else 500
    await daemon.submit(team, 0, 1, 2, 3)
    await trio.sleep(2)
    assert (await daemon.current(webhook)).consecutive_failures == 3
    await trio.sleep(2)
    assert (await daemon.current(webhook)).consecutive_failures == 0


async def test_those_in_flight_when_it_is_disabled_finish_and_their_outcomes_count_as_for_one(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await choose(daemon, webhook, 6, retry_schedule=())
    parallel.takes_s = lambda number: 5.0 if number in (1, 3) else 1.0
    parallel.status_of = lambda number, _attempt: 200 if number == 1 else 500
    await daemon.submit(team, *range(20))
    await trio.sleep(3)
    assert not (await daemon.current(webhook)).active
    assert (
        await daemon.statuses(webhook)
        == ["failed", "pending", "failed", "pending", *["failed"] * 2] + ["cancelled"] * 14
    )
    await trio.sleep(5)
    statuses = await daemon.statuses(webhook)
    assert statuses[:6] == ["failed", "succeeded", "failed", "cancelled", "failed", "failed"]
    assert await daemon.balance(team) == -2
    assert sorted(parallel.numbers) == list(range(6))
    assert len(daemon.log_lines("webhook_disabled")) == 1


async def test_those_in_flight_are_spared_by_a_cancellation_of_many_pages_and_go_on_when_it_is_enabled_again(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    parallel: Receiver,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancelling, "MAX_CANCELLED_PER_COMMIT", 5)
    parallel.status_of = lambda number, attempt: 500 if number == 2 and attempt == 1 else 200
    await daemon.submit(team, *range(40))
    await trio.sleep(TAKES_S / 2)
    await daemon.change(webhook, active=False)
    await daemon.change(webhook, active=True)
    await trio.sleep(30)
    assert await daemon.statuses(webhook) == ["succeeded"] * AT_ONCE + ["cancelled"] * 36
    assert sorted(parallel.numbers) == [0, 1, 2, 2, 3]


async def test_a_pause_lets_those_in_flight_finish_and_begins_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    parallel.status_of = lambda number, attempt: 500 if number == 1 and attempt == 1 else 200
    await daemon.submit(team, *range(12))
    await trio.sleep(TAKES_S / 2)
    await daemon.change(webhook, paused=True)
    await trio.sleep(20)
    assert sorted(parallel.numbers) == [0, 1, 2, 3]
    await daemon.change(webhook, paused=False)
    await trio.sleep(20)
    assert sorted(parallel.numbers) == sorted([1, *range(12)])
    assert await daemon.statuses(webhook) == ["succeeded"] * 12


@pytest.mark.parametrize("at_once", [1, 2, 8])
async def test_another_number_counts_at_once_and_nothing_is_sent_twice(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    parallel: Receiver,
    at_once: int,
    autojump_clock: MockClock,
) -> None:
    parallel.status_of = lambda number, attempt: 500 if number == 3 and attempt == 1 else 200
    await daemon.submit(team, *range(40))
    await trio.sleep(2.5)
    await choose(daemon, webhook, at_once)
    await trio.sleep(TAKES_S)
    parallel.most_in_flight = 0
    await trio.sleep(60)
    assert parallel.most_in_flight == at_once
    assert sorted(parallel.numbers) == sorted([3, *range(40)])
    assert set(parallel.sent.values()) == {1}
    assert await daemon.statuses(webhook) == ["succeeded"] * 40


async def test_a_pace_spaces_the_begins_of_all(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await choose(daemon, webhook, max_per_second=2.0)
    await daemon.submit(team, *range(8))
    await trio.sleep(20)
    at = [arrival.at for arrival in parallel.inner.at(A)]
    assert at == pytest.approx([at[0] + number / 2 for number in range(8)], abs=0.01)
    assert parallel.most_in_flight == 2


@pytest.mark.settings(credits={"enforce": True})
async def test_each_reserves_its_own_credits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 5)
    await daemon.submit(team, *range(6))
    await trio.sleep(TAKES_S / 2)
    assert parallel.in_flight == 2
    await trio.sleep(10)
    assert (await daemon.balance(team), len(parallel.numbers)) == (1, 2)
    await daemon.grant(team, 7)
    await trio.sleep(10)
    assert (await daemon.balance(team), sorted(parallel.numbers)) == (0, list(range(6)))


async def test_a_410_disables_once_if_the_webhook_has_it_so(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    await choose(daemon, webhook, disable_on_gone=True)
    parallel.status_of = lambda _number, _attempt: 410
    await daemon.submit(team, *range(10))
    await trio.sleep(10)
    statuses = await daemon.statuses(webhook)
    assert Counter(statuses) == {"failed": 1, "cancelled": 9}
    assert len(daemon.log_lines("webhook_disabled")) == 1


@pytest.fixture
async def stopping(tmp_path: Path) -> AsyncIterator[tuple[RunningDaemon, Webhook, Receiver]]:
    async with running(tmp_path, FakeReceiver()) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await choose(daemon, webhook)
        receiver = Receiver(daemon.receiver)
        await daemon.submit(team, *range(20))
        yield daemon, webhook, receiver


async def test_a_stop_waits_for_those_in_flight_and_a_start_goes_on_with_the_others(
    stopping: tuple[RunningDaemon, Webhook, Receiver], tmp_path: Path, autojump_clock: MockClock
) -> None:
    daemon, webhook, receiver = stopping
    receiver.status_of = lambda number, attempt: 500 if number == 0 and attempt == 1 else 200
    await trio.sleep(TAKES_S * 1.5)
    daemon.stop.set()
    await daemon.stopped.wait()
    assert sorted(receiver.numbers) == list(range(2 * AT_ONCE))
    async with running(tmp_path, daemon.receiver, daemon.clock) as next_one:
        await trio.sleep(30)
        assert await next_one.statuses(webhook) == ["succeeded"] * 20
    assert sorted(receiver.numbers) == sorted([0, *range(20)])


async def test_a_crash_repeats_no_more_than_what_was_under_way_or_not_yet_committed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    run_write = FakeThread()
    async with running(tmp_path, FakeReceiver(), run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await choose(daemon, webhook)
        receiver = Receiver(daemon.receiver, takes_s=lambda number: 0.1 * (1 + number % 7))
        await trio.sleep(30)
        await daemon.submit(team, *range(40))
        run_write.begin_s = 5.0
        await trio.sleep(4)
        assert len(receiver.numbers) == AT_ONCE + MOST_OPEN - 1
        run_write.begin_s = 0
        await trio.sleep(60)
        assert sorted(receiver.numbers) == list(range(40))
        assert await daemon.statuses(webhook) == ["succeeded"] * 40


async def test_a_bug_in_one_attempt_restarts_the_webhook_and_nothing_is_lost(
    daemon: RunningDaemon, team: Team, webhook: Webhook, parallel: Receiver, autojump_clock: MockClock
) -> None:
    bugs = [RuntimeError("a bug in the transport")]
    answer = parallel.inner.answers[A]

    async def with_bug(request: httpx.Request) -> httpx.Response:
        if bugs and len(parallel.numbers) == 6:
            raise bugs.pop()
        return await answer(request)

    parallel.inner.answers[A] = with_bug
    await daemon.submit(team, *range(20))
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["succeeded"] * 20
    assert await daemon.balance(team) == -40


async def test_a_webhook_with_many_at_once_leaves_slots_to_others_of_its_team(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def with_few_slots(seams: Seams) -> Seams:
        return replace(seams, attempts_at_once=8)

    async with running(tmp_path, FakeReceiver(), settings=make_settings(tmp_path), adapt=with_few_slots) as daemon:
        team = await daemon.team()
        wide, narrow = await daemon.webhook(team, A, "wide"), await daemon.webhook(team, B, "narrow")
        await choose(daemon, wide, 32)
        daemon.receiver.answers = {A: slow(1.0), B: slow(1.0)}
        await daemon.submit(team, *range(100), event="wide")
        await trio.sleep(3.5)
        await daemon.submit(team, *range(5), event="narrow")
        await trio.sleep(12)
        assert await daemon.statuses(narrow) == ["succeeded"] * 5
