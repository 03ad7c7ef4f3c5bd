"""A backlog of many pages whose webhook is disabled or deleted: in virtual time, through the real actors."""

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import CancelReason, DeliveryStatus, Team, Webhook
from daemon.store.writes import cancelling
from tests.actors.receivers import A
from tests.support.daemon import FakeReceiver, RunningDaemon, VirtualWallClock, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

COUNT = 60


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "MAX_CANCELLED_PER_COMMIT", 7)


async def at_rest(daemon: RunningDaemon) -> None:
    await trio.sleep(60)


async def test_a_backlog_of_many_pages_is_cancelled_completely_and_logged_as_one_count(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(COUNT))
    await at_rest(daemon)
    deliveries = await daemon.deliveries(webhook)
    assert {delivery.cancel_reason for delivery in deliveries[4:]} == {CancelReason.WEBHOOK_DISABLED}
    disabled_at = (await daemon.current(webhook)).disabled_at
    assert {delivery.completed_at for delivery in deliveries[4:]} == {disabled_at}
    assert {arrival.number for arrival in daemon.receiver.arrivals} == {0, 1, 2, 3}
    assert [line["count"] for line in daemon.log_lines("deliveries_cancelled")] == [COUNT - 4]
    assert daemon.parts.telemetry.metrics.deliveries[DeliveryStatus.CANCELLED]._value.get() == COUNT - 4
    assert len(daemon.mails) == 1


async def test_a_webhook_enabled_during_the_cancelling_gets_new_events_and_none_from_before(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 200)
    await daemon.submit(team, *range(COUNT))
    await trio.sleep(0.5)  # the first one is in its back-off
    await daemon.change(webhook, active=False)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, *range(100, 110))
    await at_rest(daemon)
    assert await daemon.statuses(webhook) == ["cancelled"] * COUNT + ["succeeded"] * 10
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [0, *range(100, 110)]


@pytest.mark.fault(
    "A webhook with a large backlog is disabled or deleted, and the daemon crashes before all of it is cancelled",
    "The next start cancels the rest and sends none of it, though the webhook was enabled again",
)
@pytest.mark.parametrize("enabled", [True, False])
async def test_after_a_crash_during_the_cancelling_none_of_the_backlog_is_sent(
    enabled: bool, tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver, clock = FakeReceiver({A: statuses(500, 200)}), VirtualWallClock()
    async with running(tmp_path, receiver, clock) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(COUNT))
        await trio.sleep(0.5)
        await daemon.change(webhook, active=False)
        if enabled:
            await daemon.change(webhook, active=True)
        assert "pending" in await daemon.statuses(webhook)
    async with running(tmp_path, receiver, clock) as daemon:
        await at_rest(daemon)
        assert await daemon.statuses(webhook) == ["cancelled"] * COUNT
        await daemon.submit(team, 100)
        await at_rest(daemon)
        expected = [0, 100] if enabled else [0]
        assert [arrival.number for arrival in receiver.arrivals] == expected


async def test_an_attempt_in_flight_may_finish_and_its_delivery_goes_on_if_the_webhook_is_enabled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.sleep(1)
        return await statuses_then(request)

    statuses_then = statuses(500, 200)
    daemon.receiver.answers[A] = answer
    await daemon.submit(team, *range(COUNT))
    await trio.sleep(0.5)
    await daemon.change(webhook, active=False)
    await daemon.change(webhook, active=True)
    await at_rest(daemon)
    assert await daemon.statuses(webhook) == ["succeeded"] + ["cancelled"] * (COUNT - 1)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [0, 0]
