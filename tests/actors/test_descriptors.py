"""The descriptor limit bounds the attempts in flight, and no webhook is punished for it (architecture "Egress")."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import DeliveryStatus
from daemon.egress.errors import OutOfDescriptors
from daemon.seams import Seams
from tests.support.daemon import FakeReceiver, in_order, running

A = "https://a.example/hook"
B = "https://b.example/hook"
C = "https://c.example/hook"


async def test_an_attempt_for_which_no_socket_is_left_does_not_count_and_is_made_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    refusals = 5

    async def short_of_sockets(_request: httpx.Request) -> httpx.Response:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OutOfDescriptors("the daemon is out of sockets")
        return httpx.Response(200)

    async with running(tmp_path, FakeReceiver({A: short_of_sockets})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
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


async def hangs(_request: httpx.Request) -> httpx.Response:
    return await trio.sleep_forever()


async def test_an_attempt_that_waits_its_turn_is_neither_counted_nor_timed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def answers_after_9_s(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(9)
        return httpx.Response(200)

    receiver = FakeReceiver({A: hangs, B: answers_after_9_s})
    async with running(tmp_path, receiver, adapt=with_slots(1)) as daemon:
        team, other = await daemon.team(), await daemon.team()
        await daemon.webhook(team, A)
        waiting = await daemon.webhook(other, B)
        await daemon.submit(team, 1)
        for number in (1, 2, 3):
            await daemon.submit(other, number)
        await trio.sleep(200)
        arrivals = daemon.receiver.at(B)
        assert arrivals[0].at == pytest.approx(10, abs=0.1)
        assert in_order([arrival.number for arrival in arrivals])
        assert {arrival.attempt for arrival in arrivals} == {1}
        assert {delivery.status for delivery in await daemon.deliveries(waiting)} == {DeliveryStatus.SUCCEEDED}
        assert (await daemon.current(waiting)).consecutive_failures == 0


async def test_a_webhook_that_is_disabled_while_it_waits_its_turn_makes_no_attempt(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: hangs}), adapt=with_slots(1)) as daemon:
        team, other = await daemon.team(), await daemon.team()
        await daemon.webhook(team, A)
        waiting = await daemon.webhook(other, B)
        await daemon.submit(team, 1)
        await daemon.submit(other, 1)
        await trio.sleep(5)
        await daemon.change(waiting, active=False)
        await trio.sleep(60)
        assert daemon.receiver.at(B) == []
        [delivery] = await daemon.deliveries(waiting)
        assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.CANCELLED, 0)


async def test_a_stop_ends_the_wait_for_a_turn_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, FakeReceiver({A: hangs}), adapt=with_slots(1)) as daemon:
        team, other = await daemon.team(), await daemon.team()
        await daemon.webhook(team, A)
        waiting = await daemon.webhook(other, B)
        await daemon.submit(team, 1)
        await daemon.submit(other, 1)
        await trio.sleep(1)
        daemon.stop.set()
        await daemon.stopped.wait()
        assert daemon.now <= 10.5  # the one in flight has its 10 s
        assert daemon.receiver.at(B) == []
        assert daemon.log_lines("attempts_waiting")
        [delivery] = await daemon.deliveries(waiting)
        assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.PENDING, 0)


async def test_slots_are_given_back_whatever_becomes_of_the_attempts(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def crashes(_request: httpx.Request) -> httpx.Response:
        raise ValueError("a bug")

    async with running(tmp_path, FakeReceiver({A: crashes, B: hangs}), adapt=with_slots(2)) as daemon:
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
