"""Events that are delivered at a later time, exact in virtual time (contract "Terms of an event")."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.model import DeliveryStatus, Team, Webhook
from tests.actors.receivers import A, slow
from tests.actors.test_bulk_jobs import start
from tests.actors.test_metrics import value
from tests.actors.test_stepping_aside import sent, waiting
from tests.support.daemon import FakeReceiver, RunningDaemon, running, skip_ahead, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

HOUR_S = 3_600


def in_s(daemon: RunningDaemon, seconds: float) -> DeliveryTerms:
    """Return the terms of an event that is to be delivered so many seconds from now."""
    return DeliveryTerms(deliver_at=daemon.clock() + round(seconds * 1000))


async def test_an_event_is_kept_now_and_delivered_at_its_time_and_holds_nobody_meanwhile(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 60), 1)
    await daemon.submit(team, 2)
    await trio.sleep(30)
    [later, now] = await daemon.deliveries(webhook)
    assert (later.status, later.waits_aside, later.attempts_made) == (DeliveryStatus.PENDING, True, 0)
    assert later.next_attempt_at == later.created_at + 60_000
    assert now.status is DeliveryStatus.SUCCEEDED
    await trio.sleep(60)
    assert sent(receiver) == [(2, 0), (1, 60)]
    assert await daemon.statuses(webhook) == ["succeeded"] * 2
    assert await waiting(daemon) == 0
    assert await daemon.balance(team) == -4


async def test_it_waits_for_hours_without_an_actor(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 2 * HOUR_S), 1)
    await skip_ahead(HOUR_S)
    assert (daemon.parts.fleet.alive, receiver.arrivals) == (0, [])
    await skip_ahead(HOUR_S + 60)
    assert len(receiver.arrivals) == 1


async def test_its_place_is_before_what_was_accepted_later_and_is_pending_at_its_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(1)
    await daemon.submit(team, 1, 2)
    await daemon.submit_on(team, in_s(daemon, 5.5), 3)
    await daemon.submit(team, *range(4, 20))
    await trio.sleep(60)
    assert [number for number, _ in sent(receiver)] == [1, 2, 4, 5, 6, 7, 3, *range(8, 20)]


async def test_a_time_that_has_passed_is_now(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, -60), 1)
    await daemon.submit(team, 2)
    await trio.sleep(1)
    assert sent(receiver) == [(1, 0), (2, 0)]


async def test_one_submission_may_have_events_for_now_and_for_later(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 20), 1, 2)
    await daemon.submit_on(team, in_s(daemon, 10), 3)
    await daemon.submit_on(team, DeliveryTerms(), 4)
    await trio.sleep(60)
    assert sent(receiver) == [(4, 0), (3, 10), (1, 20), (2, 20)]


async def test_retries_count_from_its_time_and_hold_the_order_as_usual(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200)
    await daemon.submit_on(team, in_s(daemon, 10), 1)
    await trio.sleep(11.5)
    await daemon.submit(team, 2)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 10), (1, 11), (1, 13), (2, 13)]


async def test_the_deliveries_of_a_large_submission_wait_too(
    small_pieces: None,
    daemon: RunningDaemon,
    team: Team,
    webhooks: list[Webhook],
    receiver: FakeReceiver,
    autojump_clock: MockClock,
) -> None:
    await daemon.submit_on(team, in_s(daemon, 60), 1, 2)
    await trio.sleep(30)
    assert receiver.arrivals == []
    assert await waiting(daemon) == 2 * len(webhooks)
    await trio.sleep(60)
    assert {round(arrival.at) for arrival in receiver.arrivals} == {60}
    assert len(receiver.arrivals) == 2 * len(webhooks)


@pytest.mark.parametrize("how", ["delete", "disable", "job"])
async def test_it_can_be_cancelled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, how: str, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 60), 1)
    if how == "job":
        await start(daemon, team, "cancel", webhook_id=webhook.id, statuses=(DeliveryStatus.PENDING,))
    elif how == "delete":
        await daemon.parts.webhooks.delete(webhook.id)
    else:
        await daemon.change(webhook, active=False)
    await trio.sleep(90)
    assert (receiver.arrivals, await daemon.statuses(webhook)) == ([], ["cancelled"])
    assert await waiting(daemon) == 0


async def test_a_resend_is_made_at_once_and_a_recovery_at_its_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 60), 1)
    await daemon.submit_on(team, in_s(daemon, 30), 2)
    await daemon.change(webhook, active=False)
    await trio.sleep(1)
    await daemon.change(webhook, active=True)
    [first, _] = await daemon.deliveries(webhook)
    await daemon.parts.replays.resend(first.id)
    await trio.sleep(1)
    assert [number for number, _ in sent(receiver)] == [1]
    await daemon.parts.replays.recover(webhook.id, daemon.clock() - 60_000)
    await trio.sleep(90)
    assert sent(receiver) == [(1, 1), (2, 30)]


async def test_a_pause_holds_it_back_when_its_time_comes(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, in_s(daemon, 10), 1)
    await trio.sleep(20)
    await daemon.change(webhook, paused=False)
    await trio.sleep(20)
    assert sent(receiver) == [(1, 20)]


@pytest.mark.parametrize(("jump_s", "expected_s"), [(0, 100), (60, 40), (-60, 160), (1000, 5)])
async def test_a_restart_goes_on_with_it_and_the_clock_decides(
    tmp_path: Path, jump_s: int, expected_s: int, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit_on(team, in_s(daemon, 100), 1)
        await trio.sleep(5)
    daemon.clock.offset_ms += jump_s * 1000
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(300)
        [(_, at)] = sent(receiver)
        assert at == expected_s
        assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_clock_that_is_set_while_it_waits_counts_within_a_minute(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 1000), 1)
    await trio.sleep(100)
    daemon.clock.offset_ms += 600_000
    await trio.sleep(250)
    assert receiver.arrivals == []
    await trio.sleep(115)
    assert len(receiver.arrivals) == 1


async def test_what_waits_for_its_time_is_no_backlog_and_has_not_waited_for_its_turn(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, in_s(daemon, 600), 1)
    await trio.sleep(590)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 0
    await daemon.change(webhook, paused=True)
    await trio.sleep(60)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 1
    assert value(daemon, "oldest_pending_delivery_age_seconds") == pytest.approx(50, abs=2)
    await daemon.change(webhook, paused=False)
    await trio.sleep(1)
    assert value(daemon, "first_attempt_delay_seconds_sum") == pytest.approx(50, abs=1)
