"""The descriptor limit bounds the attempts in flight, and no webhook is punished for it (architecture "Egress")."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import DeliveryStatus, Team, Webhook
from daemon.egress.errors import OutOfDescriptors
from daemon.seams import Seams
from tests.actors.receivers import A, B, hang, slow
from tests.support.daemon import FakeReceiver, RunningDaemon, running

C = "https://c.example/hook"


async def test_an_attempt_for_which_no_socket_is_left_does_not_count_and_is_made_again(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    refusals = 5

    async def short_of_sockets(_request: httpx.Request) -> httpx.Response:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OutOfDescriptors("the daemon is out of sockets")
        return httpx.Response(200)

    daemon.receiver.answers[A] = short_of_sockets
    await daemon.submit(team, 1)
    await trio.sleep(60)
    (delivery,) = await daemon.deliveries(webhook)
    assert [arrival.at for arrival in daemon.receiver.arrivals] == pytest.approx([0, 1, 2, 3, 4, 5], abs=1e-6)
    assert {arrival.attempt for arrival in daemon.receiver.arrivals} == {1}
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.SUCCEEDED, 1)
    assert (await daemon.current(webhook)).consecutive_failures == 0
    interrupted = [line for line in daemon.log_lines("attempt_ended") if line["outcome"] == "interrupted"]
    assert len(interrupted) == 5


def with_slots(attempts: int) -> Callable[[Seams], Seams]:
    return lambda seams: replace(seams, attempts_at_once=attempts)


@dataclass(frozen=True, slots=True)
class Queue:
    """The only slot is taken by another team's attempt, which hangs; the first event for `webhook` waits its turn."""

    daemon: RunningDaemon
    team: Team
    webhook: Webhook


@pytest.fixture
async def queue(tmp_path: Path, receiver: FakeReceiver) -> AsyncIterator[Queue]:
    receiver.answers[A] = hang
    async with running(tmp_path, receiver, adapt=with_slots(1)) as daemon:
        other, team = await daemon.team(), await daemon.team()
        await daemon.webhook(other, A)
        webhook = await daemon.webhook(team, B)
        await daemon.submit(other, 1)
        await daemon.submit(team, 1)
        yield Queue(daemon, team, webhook)


async def test_an_attempt_that_waits_its_turn_is_neither_counted_nor_timed(
    queue: Queue, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[B] = slow(9)
    for number in (2, 3):
        await queue.daemon.submit(queue.team, number)
    await trio.sleep(200)
    arrivals = receiver.at(B)
    assert arrivals[0].at == pytest.approx(10, abs=0.1)
    assert [arrival.number for arrival in arrivals] == [1, 2, 3]
    assert {arrival.attempt for arrival in arrivals} == {1}
    assert await queue.daemon.statuses(queue.webhook) == ["succeeded"] * 3
    assert (await queue.daemon.current(queue.webhook)).consecutive_failures == 0


async def test_a_webhook_that_is_disabled_while_it_waits_its_turn_makes_no_attempt(
    queue: Queue, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await trio.sleep(5)
    await queue.daemon.change(queue.webhook, active=False)
    await trio.sleep(60)
    assert receiver.at(B) == []
    [delivery] = await queue.daemon.deliveries(queue.webhook)
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.CANCELLED, 0)


async def test_a_stop_ends_the_wait_for_a_turn_at_once(
    queue: Queue, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await trio.sleep(1)
    queue.daemon.stop.set()
    await queue.daemon.stopped.wait()
    assert queue.daemon.now <= 10.5  # the one in flight has its 10 s
    assert receiver.at(B) == []
    assert queue.daemon.log_lines("attempts_waiting")
    [delivery] = await queue.daemon.deliveries(queue.webhook)
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.PENDING, 0)


async def test_slots_are_given_back_however_the_attempts_end(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def crashes(_request: httpx.Request) -> httpx.Response:
        raise ValueError("a bug")

    async with running(tmp_path, FakeReceiver({A: crashes, B: hang}), adapt=with_slots(2)) as daemon:
        team = await daemon.team()
        for url in (A, B, C):
            await daemon.webhook(team, url)
        for number in range(5):
            await daemon.submit(team, number)
        await trio.sleep(3600)
        figures = daemon.parts.telemetry.metrics.registry.get_sample_value
        assert figures("kakiyo_webhooks_attempts_in_flight") == figures("kakiyo_webhooks_attempts_waiting") == 0
        assert figures("kakiyo_webhooks_max_attempts_in_flight") == 2
        assert len(daemon.receiver.at(C)) == 5
