"""The schedule and order of attempts, and how they resume, exact in virtual time (contract "A delivery")."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DeliveryStatus, OutcomeKind, Team, Webhook
from daemon.domain.webhook_options import WebhookOptions
from daemon.store.reads import actor_reads
from daemon.store.reads.reader import Reader
from tests.actors.receivers import A, B, hang
from tests.support.daemon import FakeReceiver, RunningDaemon, make_settings, running, statuses
from tests.support.mock_transport import MockTransport

pytestmark = pytest.mark.usefixtures("each_engine")


async def test_a_failing_delivery_is_attempted_after_0_1_2_and_4_seconds_then_failed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    (delivery,) = await daemon.deliveries(webhook)
    assert [arrival.at for arrival in receiver.at(A)] == pytest.approx([0, 1, 3, 7], abs=1e-6)
    assert [arrival.attempt for arrival in receiver.at(A)] == [1, 2, 3, 4]
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.FAILED, 4)
    assert (await daemon.current(webhook)).consecutive_failures == 1


async def test_a_delivery_succeeds_on_the_attempt_that_is_answered_2xx(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 503, 204)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    (delivery,) = await daemon.deliveries(webhook)
    attempts = await daemon.attempts(delivery)
    assert delivery.status is DeliveryStatus.SUCCEEDED
    assert [attempt.outcome.status for attempt in attempts] == [500, 503, 204]
    assert [arrival.at for arrival in receiver.arrivals] == pytest.approx([0, 1, 3], abs=1e-6)
    assert len({arrival.delivery_id for arrival in receiver.arrivals}) == 1
    assert len({arrival.body for arrival in receiver.arrivals}) == 1


async def test_each_attempt_against_a_hanging_receiver_ends_after_10_seconds(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = hang
    await daemon.submit(team, 1)
    await trio.sleep(100)
    (delivery,) = await daemon.deliveries(webhook)
    attempts = await daemon.attempts(delivery)
    assert [arrival.at for arrival in receiver.arrivals] == pytest.approx([0, 11, 23, 37], abs=1e-6)
    assert [attempt.outcome.kind for attempt in attempts] == [OutcomeKind.TIMEOUT] * 4
    assert [attempt.outcome.duration_ms for attempt in attempts] == [10_000] * 4


async def test_a_webhooks_own_timeout_ends_its_attempts_and_counts_from_the_next_one_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = hang
    await daemon.submit(team, 1)
    await trio.sleep(5)
    edit = WebhookEdit(options=WebhookOptions(timeout_s=2.5), changed_options=("timeout_s",))
    await daemon.parts.webhooks.change(webhook.id, edit)
    await trio.sleep(100)
    (delivery,) = await daemon.deliveries(webhook)
    attempts = await daemon.attempts(delivery)
    assert [attempt.outcome.duration_ms for attempt in attempts] == [10_000, 2_500, 2_500, 2_500]
    assert [attempt.outcome.error for attempt in attempts][
        1
    ] == "no response within 2.5 s (stopped while waiting for the response)"


async def test_deliveries_of_one_webhook_are_sent_one_at_a_time_in_the_order_of_acceptance(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200)
    await daemon.submit(team, 1, 2)
    await daemon.submit(team, 3)
    await trio.sleep(60)
    assert [arrival.number for arrival in receiver.at(A)] == [1, 1, 1, 2, 3]


async def test_a_backlog_larger_than_any_mailbox_arrives_in_order_and_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    for first in range(0, 1000, 100):
        await daemon.submit(team, *range(first, first + 100))
    await trio.sleep(60)
    assert [arrival.number for arrival in receiver.at(A)] == list(range(1000))


async def test_large_bodies_are_read_when_their_turn_comes(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    fetch_together, read_at = Reader.fetch_together, list[float]()

    async def fetch_and_note(reader: Reader, query: Any, *args: Any) -> Any:
        read_at.extend([trio.current_time()] if query is actor_reads.event_body else [])
        return await fetch_together(reader, query, *args)

    async def slow(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(3)
        return httpx.Response(200)

    monkeypatch.setattr(Reader, "fetch_together", fetch_and_note)
    receiver.answers[A] = slow
    began = daemon.now
    await daemon.submit(team, 1, 2, size=100_000)
    await trio.sleep(60)
    assert [len(arrival.body) > 100_000 for arrival in receiver.at(A)] == [True, True]
    assert [at - began for at in read_at] == pytest.approx([0, 3], abs=0.1)


async def test_webhooks_never_wait_for_each_other(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = hang
    await daemon.webhook(team, B)
    await daemon.submit(team, *range(20))
    await trio.sleep(0.5)
    assert [arrival.number for arrival in receiver.at(B)] == list(range(20))
    assert len(receiver.at(A)) == 1


async def test_after_a_crash_the_back_off_resumes_with_the_time_that_is_left(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: statuses(500, 500, 200)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1.5)
    await trio.sleep(0.5)
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(60)
        first, second = await daemon.deliveries(webhook)
        assert [arrival.at for arrival in receiver.at(A)] == pytest.approx([0, 1, 3, 3], abs=1e-6)
        assert [arrival.attempt for arrival in receiver.at(A)] == [1, 2, 3, 1]
        assert (first.attempts_made, second.attempts_made) == (3, 1)


async def test_an_attempt_cut_short_by_a_stop_is_not_counted_and_is_made_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: hang})
    settings = make_settings(tmp_path, delivery={"stop_grace_s": 2})
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        daemon.stop.set()
        with trio.fail_after(2.1):
            await daemon.stopped.wait()
    receiver.answers.clear()
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(1)
        (delivery,) = await daemon.deliveries(webhook)
        assert [arrival.attempt for arrival in receiver.arrivals] == [1, 1]
        assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.SUCCEEDED, 1)


async def test_a_stop_lets_the_attempt_in_flight_finish_and_leaves_the_rest_pending(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def slow(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(3)
        return httpx.Response(200)

    async with running(tmp_path, FakeReceiver({A: slow})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1)
        daemon.stop.set()
        await daemon.stopped.wait()
        assert daemon.now == pytest.approx(daemon.receiver.arrivals[0].at + 3, abs=1e-3)
    async with running(tmp_path, daemon.receiver, daemon.clock) as daemon:
        assert await daemon.statuses(webhook) == ["succeeded", "pending"]
        assert [arrival.number for arrival in daemon.receiver.arrivals] == [1]
        await trio.sleep(10)
        assert [arrival.number for arrival in daemon.receiver.arrivals] == [1, 2]


@pytest.mark.parametrize("jump_days", [1, -1])
async def test_a_jump_of_the_wall_clock_neither_shortens_nor_prolongs_a_back_off(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    jump_days: int,
    autojump_clock: MockClock,
) -> None:
    receiver.answers[A] = statuses(500, 200)
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    daemon.clock.offset_ms = jump_days * 24 * 3600 * 1000
    await trio.sleep(60)
    assert [arrival.at for arrival in receiver.arrivals] == pytest.approx([0, 1], abs=1e-6)


async def test_an_actor_with_nothing_to_do_ends_and_starts_again_on_demand(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    alive = daemon.parts.fleet.alive
    await trio.sleep(120)
    idle = daemon.parts.fleet.alive
    await daemon.submit(team, 2)
    await trio.sleep(1)
    assert (alive, idle) == (1, 0)
    assert [arrival.number for arrival in receiver.arrivals] == [1, 2]


async def test_an_unused_connection_is_closed_before_its_actor_ends(tmp_path: Path, autojump_clock: MockClock) -> None:
    class Kept(MockTransport):
        def close(self) -> None:
            closings.append(trio.current_time() - receiver.arrivals[0].at - started)

    receiver, started, closings = FakeReceiver(), trio.current_time(), list[float]()
    async with running(tmp_path, receiver, transport=lambda: Kept(receiver.handle)) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(40)
        assert closings == pytest.approx([30], abs=1e-6)
        assert daemon.parts.fleet.alive == 1
        await daemon.submit(team, 2)
        await trio.sleep(100)
        assert [arrival.number for arrival in receiver.arrivals] == [1, 2]
        assert closings == pytest.approx([30, 70, 100], abs=1e-6)
