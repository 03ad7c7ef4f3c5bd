"""What waits for a place of ours is not blamed for it (contract "An attempt")."""

from pathlib import Path

import trio
from trio.testing import MockClock

from daemon.domain.model import DeliveryStatus
from tests.support.daemon import EPOCH_MS, FakeReceiver, VirtualWallClock, running
from tests.support.mock_transport import MockTransport

A = "https://a.example/hook"
WAIT_S = 600


class QueuingTransport(MockTransport):
    """Has each attempt wait for ten minutes before it may begin."""

    async def prepare(self, url: str, team_id: str) -> None:
        await trio.sleep(WAIT_S)


async def test_the_wait_is_neither_in_the_deadline_nor_in_the_time_that_is_signed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver, clock = FakeReceiver(), VirtualWallClock()
    async with running(tmp_path, receiver, clock, transport=lambda: QueuingTransport(receiver.handle)) as house:
        team = await house.team()
        webhook = await house.webhook(team, A)
        await house.submit(team, 1)
        await trio.sleep(WAIT_S + 1)
        [delivery] = await house.deliveries(webhook)
        [attempt] = await house.attempts(delivery)
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.SUCCEEDED, 1)
    assert attempt.outcome.duration_ms < 1000
    assert int(receiver.arrivals[0].headers["webhook-timestamp"]) >= EPOCH_MS // 1000 + WAIT_S


async def test_a_webhook_that_waits_for_its_place_can_be_disabled(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver, transport=lambda: QueuingTransport(receiver.handle)) as house:
        team = await house.team()
        webhook = await house.webhook(team, A)
        await house.submit(team, 1)
        await trio.sleep(1)
        await house.change(webhook, active=False)
        await trio.sleep(WAIT_S + 1)
        assert await house.statuses(webhook) == ["cancelled"]
    assert not receiver.arrivals
