"""DESIGN "Egress": what bounds the attempts in flight is our descriptor limit, and no webhook is punished for it."""

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.egress.errors import OutOfDescriptors
from daemon.model import DeliveryStatus
from tests.support.daemon import FakeReceiver, running

A = "https://a.example/hook"


async def test_an_attempt_for_which_no_socket_is_left_does_not_count_and_is_made_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    refusals = 5

    async def short_of_sockets(_request: httpx.Request) -> httpx.Response:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OutOfDescriptors("the daemon may open no more sockets just now")
        return httpx.Response(200)

    async with running(tmp_path, FakeReceiver({A: short_of_sockets})) as house:
        team = await house.team()
        webhook = await house.webhook(team, A)
        await house.submit(team, 1)
        await trio.sleep(60)
        (delivery,) = await house.deliveries(webhook)
        assert [arrival.at for arrival in house.receiver.arrivals] == pytest.approx([0, 1, 2, 3, 4, 5], abs=1e-6)
        assert {arrival.attempt for arrival in house.receiver.arrivals} == {1}
        assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.SUCCEEDED, 1)
        assert (await house.current(webhook)).consecutive_failures == 0
        interrupted = [line for line in house.log_lines("attempt_ended") if line["outcome"] == "interrupted"]
        assert len(interrupted) == 5
