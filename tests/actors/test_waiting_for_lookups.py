"""A webhook is not blamed for waiting until the daemon can look its name up (contract "An attempt")."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import DeliveryStatus, Team, Webhook
from tests.support.daemon import EPOCH_MS, FakeReceiver, RunningDaemon, running
from tests.support.mock_transport import MockTransport

WAIT_S = 600


class QueuingTransport(MockTransport):
    """Has each attempt wait for ten minutes before it may begin."""

    async def prepare(self, url: str, team_id: str) -> None:
        await trio.sleep(WAIT_S)


@pytest.fixture
async def daemon(tmp_path: Path, receiver: FakeReceiver) -> AsyncIterator[RunningDaemon]:
    async with running(tmp_path, receiver, transport=lambda: QueuingTransport(receiver.handle)) as daemon:
        yield daemon


async def test_waiting_for_a_lookup_counts_neither_towards_the_deadline_nor_in_the_signed_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(WAIT_S + 1)
    [delivery] = await daemon.deliveries(webhook)
    [attempt] = await daemon.attempts(delivery)
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.SUCCEEDED, 1)
    assert attempt.outcome.duration_ms < 1000
    assert int(daemon.receiver.arrivals[0].headers["webhook-timestamp"]) >= EPOCH_MS // 1000 + WAIT_S


async def test_a_webhook_that_waits_for_a_lookup_can_be_disabled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await daemon.change(webhook, active=False)
    await trio.sleep(WAIT_S + 1)
    assert await daemon.statuses(webhook) == ["cancelled"]
    assert not daemon.receiver.arrivals
