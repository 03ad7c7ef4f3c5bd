"""What happens while the deliveries of a large submission are being made: changes by hand, recovery, retention."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.clock import DAY_MS
from daemon.domain.errors import WebhookInactive
from tests.actors.test_fan_out import (
    EVENTS,
    PIECE,
    WEBHOOKS,
    numbers_at,
    rows,
    slow_pieces,  # noqa: F401 - a fixture
    small_pieces,  # noqa: F401 - a fixture
    url,
    webhooks_of,
)
from tests.support.daemon import make_settings, running

HOUR_S = 60 * 60
pytestmark = pytest.mark.usefixtures("slow_pieces")


@pytest.mark.fault(
    "Events grow older than they are kept for while their deliveries are still being made",
    "None of them is forgotten before all of its deliveries are made and over; then they are",
)
async def test_events_whose_deliveries_are_still_to_be_made_are_not_forgotten(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, settings=make_settings(tmp_path, retention={"days": 1})) as house:
        team, neighbour = await house.team(), await house.team()
        await webhooks_of(house, team)
        await house.webhook(neighbour, url(100))
        await house.submit(neighbour, 200)
        monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 2 * HOUR_S)
        await house.submit(team, *range(EVENTS))
        await house.submit(neighbour, 201)
        house.clock.offset_ms += 2 * DAY_MS
        await trio.sleep(1.5 * HOUR_S)  # for an hour no such clock is believed
        assert rows(house, "SELECT count(*) FROM deliveries") == PIECE + 1
        assert rows(house, "SELECT count(*) FROM events") == EVENTS + 1, "the one before them is forgotten"
        monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 0.01)
        await trio.sleep(HOUR_S)
        assert all(numbers_at(house, number) == list(range(EVENTS)) for number in range(WEBHOOKS))
        # The newest event stays, and that of the newest delivery: the numbers of those to come go on from them.
        assert rows(house, "SELECT count(*) FROM events") == 2
        assert sum(line["count"] for line in house.log_lines("events_pruned")) == EVENTS


async def test_what_is_resent_meanwhile_comes_once_more_and_nothing_else_does(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        team = await house.team()
        webhooks = await webhooks_of(house, team)
        await house.submit(team, *range(EVENTS))
        await trio.sleep(1.5)
        [first, *_] = await house.deliveries(webhooks[0])
        assert await house.daemon.replays.resend(first.id)
        await trio.sleep(60)
        made = WEBHOOKS * EVENTS
        assert sorted(numbers_at(house, 0)) == sorted([*range(EVENTS), 0])
        assert [number for number in numbers_at(house, 0) if number] == list(range(1, EVENTS))
        assert all(numbers_at(house, number) == list(range(EVENTS)) for number in range(1, WEBHOOKS))
        assert await house.balance(team) == -2 * (made + 1)


async def test_a_webhook_that_is_registered_meanwhile_gets_nothing_of_what_was_accepted_before(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        team = await house.team()
        await webhooks_of(house, team)
        await house.submit(team, *range(EVENTS))
        await trio.sleep(1.5)
        await house.webhook(team, url(100))
        await house.submit(team, 100)
        await trio.sleep(60)
        assert numbers_at(house, 100) == [100]
        assert all(numbers_at(house, number) == [*range(EVENTS), 100] for number in range(WEBHOOKS))


async def test_what_was_cancelled_meanwhile_is_recovered_once_all_is_made_in_order_and_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        team = await house.team()
        webhooks = await webhooks_of(house, team)
        await house.submit(team, *range(EVENTS))
        await trio.sleep(1.5)
        await house.change(webhooks[0], active=False)
        await house.change(webhooks[0], active=True)
        before = numbers_at(house, 0)
        assert await house.daemon.replays.recover(webhooks[0].id, 0) == EVENTS - len(before) > 0
        assert await house.daemon.replays.recover(webhooks[0].id, 0) == 0
        await trio.sleep(60)
        assert numbers_at(house, 0) == list(range(EVENTS))
        assert await house.balance(team) == -2 * WEBHOOKS * EVENTS


@pytest.mark.parametrize("deleted", [False, True], ids=["disabled", "deleted"])
async def test_a_recovery_that_waits_queues_nothing_for_a_webhook_that_goes_meanwhile(
    tmp_path: Path, autojump_clock: MockClock, deleted: bool
) -> None:
    async with running(tmp_path) as house, trio.open_nursery() as nursery:
        team = await house.team()
        webhooks = await webhooks_of(house, team)
        await house.submit(team, *range(EVENTS))
        refused = trio.Event()

        async def recover() -> None:
            with pytest.raises(WebhookInactive):
                await house.daemon.replays.recover(webhooks[0].id, 0)
            refused.set()

        nursery.start_soon(recover)
        await trio.sleep(1.5)
        if deleted:
            await house.daemon.webhooks.delete(webhooks[0].id)
        else:
            await house.change(webhooks[0], active=False)
        await trio.sleep(60)
        assert refused.is_set()
        assert "pending" not in await house.statuses(webhooks[0])
        assert len(await house.deliveries(webhooks[0])) == EVENTS


async def test_a_recovery_that_waits_goes_by_the_events_to_which_its_webhook_subscribes_then(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house, trio.open_nursery() as nursery:
        team = await house.team()
        webhooks = await webhooks_of(house, team)
        await house.change(webhooks[0], active=False)
        await house.submit(team, *range(EVENTS))
        await house.change(webhooks[0], active=True)
        nursery.start_soon(house.daemon.replays.recover, webhooks[0].id, 0)
        await trio.sleep(1.5)
        await house.change(webhooks[0], events=("linkedin.invitation.sent",))
        await trio.sleep(60)
        assert await house.deliveries(webhooks[0]) == []
