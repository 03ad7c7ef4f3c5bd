"""What happens while the deliveries of a large submission are being made: changes by hand, recovery, retention."""

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.clock import DAY_MS
from daemon.domain.errors import WebhookInactive
from daemon.domain.model import Team, Webhook
from daemon.domain.statistics import StatisticsRange
from daemon.store.reads.statistics_reads import webhook_statistics
from tests.actors.fan_outs import EVENTS, PIECE, WEBHOOKS, count, numbers_at, url, webhooks_of
from tests.support.daemon import RunningDaemon

HOUR_S = 60 * 60
pytestmark = pytest.mark.usefixtures("slow_pieces")


@pytest.mark.fault(
    "Events grow older than they are kept for while their deliveries are still being made",
    "None of them is forgotten before all of its deliveries are made and over; then they are",
)
@pytest.mark.settings(retention={"days": 1})
async def test_events_are_not_deleted_before_all_their_deliveries_are_created(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    team, neighbour = await daemon.team(), await daemon.team()
    await webhooks_of(daemon, team)
    await daemon.webhook(neighbour, url(100))
    await daemon.submit(neighbour, 200)
    monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 2 * HOUR_S)
    await daemon.submit(team, *range(EVENTS))
    await daemon.submit(neighbour, 201)
    daemon.clock.offset_ms += 2 * DAY_MS
    await trio.sleep(1.5 * HOUR_S)  # a clock that jumped is not trusted for an hour
    assert count(daemon, "SELECT count(*) FROM deliveries") == PIECE + 1
    assert count(daemon, "SELECT count(*) FROM events") == EVENTS + 1, "the one before them is forgotten"
    monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 0.01)
    await trio.sleep(HOUR_S)
    assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(WEBHOOKS))
    # The newest event is kept, and that of the newest delivery: new numbers continue from theirs.
    assert count(daemon, "SELECT count(*) FROM events") == 2
    assert sum(line["count"] for line in daemon.log_lines("events_pruned")) == EVENTS


async def test_a_resend_during_a_fan_out_arrives_once_more_and_nothing_else_does(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(1.5)
    [first, *_] = await daemon.deliveries(webhooks[0])
    assert await daemon.parts.replays.resend(first.id)
    await trio.sleep(60)
    made = WEBHOOKS * EVENTS
    assert sorted(numbers_at(daemon, 0)) == sorted([*range(EVENTS), 0])
    assert [number for number in numbers_at(daemon, 0) if number] == list(range(1, EVENTS))
    assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(1, WEBHOOKS))
    assert await daemon.balance(team) == -2 * (made + 1)


async def test_a_webhook_registered_during_a_fan_out_gets_no_event_accepted_before(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(1.5)
    await daemon.webhook(team, url(100))
    await daemon.submit(team, 100)
    await trio.sleep(60)
    assert numbers_at(daemon, 100) == [100]
    assert all(numbers_at(daemon, number) == [*range(EVENTS), 100] for number in range(WEBHOOKS))


async def test_deliveries_that_are_cancelled_as_they_are_made_are_in_the_statistics(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(1.5)
    await daemon.change(webhooks[0], active=False)
    await trio.sleep(60)
    ended = await daemon.parts.store.reader.fetch(
        webhook_statistics, webhooks[0].id, StatisticsRange.DAY, daemon.clock()
    )
    cancelled = count(daemon, "SELECT count(*) FROM deliveries WHERE cancel_reason IS NOT NULL")
    assert 0 < ended.total.cancelled == cancelled
    assert ended.total.succeeded + cancelled == EVENTS


async def test_deliveries_cancelled_during_a_fan_out_are_recovered_after_it_in_order_and_once(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(1.5)
    await daemon.change(webhooks[0], active=False)
    await daemon.change(webhooks[0], active=True)
    before = numbers_at(daemon, 0)
    assert await daemon.parts.replays.recover(webhooks[0].id, 0) == EVENTS - len(before) > 0
    assert await daemon.parts.replays.recover(webhooks[0].id, 0) == 0
    await trio.sleep(60)
    assert numbers_at(daemon, 0) == list(range(EVENTS))
    assert await daemon.balance(team) == -2 * WEBHOOKS * EVENTS


@pytest.mark.parametrize("deleted", [False, True], ids=["disabled", "deleted"])
async def test_a_waiting_recovery_queues_nothing_for_a_webhook_turned_off_by_then(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], deleted: bool, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        await daemon.submit(team, *range(EVENTS))
        refused = trio.Event()

        async def recover() -> None:
            with pytest.raises(WebhookInactive):
                await daemon.parts.replays.recover(webhooks[0].id, 0)
            refused.set()

        nursery.start_soon(recover)
        await trio.sleep(1.5)
        if deleted:
            await daemon.parts.webhooks.delete(webhooks[0].id)
        else:
            await daemon.change(webhooks[0], active=False)
        await trio.sleep(60)
        assert refused.is_set()
        assert "pending" not in await daemon.statuses(webhooks[0])
        assert len(await daemon.deliveries(webhooks[0])) == EVENTS


async def test_a_waiting_recovery_uses_the_subscriptions_of_the_time_when_it_runs(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        await daemon.change(webhooks[0], active=False)
        await daemon.submit(team, *range(EVENTS))
        await daemon.change(webhooks[0], active=True)
        nursery.start_soon(daemon.parts.replays.recover, webhooks[0].id, 0)
        await trio.sleep(1.5)
        await daemon.change(webhooks[0], events=("linkedin.invitation.sent",))
        await trio.sleep(60)
        assert await daemon.deliveries(webhooks[0]) == []
