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
    async with running(tmp_path, settings=make_settings(tmp_path, retention={"days": 1})) as daemon:
        team, neighbour = await daemon.team(), await daemon.team()
        await webhooks_of(daemon, team)
        await daemon.webhook(neighbour, url(100))
        await daemon.submit(neighbour, 200)
        monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 2 * HOUR_S)
        await daemon.submit(team, *range(EVENTS))
        await daemon.submit(neighbour, 201)
        daemon.clock.offset_ms += 2 * DAY_MS
        await trio.sleep(1.5 * HOUR_S)  # for an hour no such clock is believed
        assert rows(daemon, "SELECT count(*) FROM deliveries") == PIECE + 1
        assert rows(daemon, "SELECT count(*) FROM events") == EVENTS + 1, "the one before them is forgotten"
        monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 0.01)
        await trio.sleep(HOUR_S)
        assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(WEBHOOKS))
        # The newest event stays, and that of the newest delivery: the numbers of those to come go on from them.
        assert rows(daemon, "SELECT count(*) FROM events") == 2
        assert sum(line["count"] for line in daemon.log_lines("events_pruned")) == EVENTS


async def test_what_is_resent_meanwhile_comes_once_more_and_nothing_else_does(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhooks = await webhooks_of(daemon, team)
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


async def test_a_webhook_that_is_registered_meanwhile_gets_nothing_of_what_was_accepted_before(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await webhooks_of(daemon, team)
        await daemon.submit(team, *range(EVENTS))
        await trio.sleep(1.5)
        await daemon.webhook(team, url(100))
        await daemon.submit(team, 100)
        await trio.sleep(60)
        assert numbers_at(daemon, 100) == [100]
        assert all(numbers_at(daemon, number) == [*range(EVENTS), 100] for number in range(WEBHOOKS))


async def test_what_was_cancelled_meanwhile_is_recovered_once_all_is_made_in_order_and_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhooks = await webhooks_of(daemon, team)
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
async def test_a_recovery_that_waits_queues_nothing_for_a_webhook_that_goes_meanwhile(
    tmp_path: Path, autojump_clock: MockClock, deleted: bool
) -> None:
    async with running(tmp_path) as daemon, trio.open_nursery() as nursery:
        team = await daemon.team()
        webhooks = await webhooks_of(daemon, team)
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


async def test_a_recovery_that_waits_goes_by_the_events_to_which_its_webhook_subscribes_then(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon, trio.open_nursery() as nursery:
        team = await daemon.team()
        webhooks = await webhooks_of(daemon, team)
        await daemon.change(webhooks[0], active=False)
        await daemon.submit(team, *range(EVENTS))
        await daemon.change(webhooks[0], active=True)
        nursery.start_soon(daemon.parts.replays.recover, webhooks[0].id, 0)
        await trio.sleep(1.5)
        await daemon.change(webhooks[0], events=("linkedin.invitation.sent",))
        await trio.sleep(60)
        assert await daemon.deliveries(webhooks[0]) == []
