"""A paused webhook's deliveries wait, in order, and cost nothing (contract "Pause"): through the real actors."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import NothingDue, WebhookInactive
from daemon.domain.model import DeliveryStatus, DisabledReason, Team, Webhook
from tests.actors.receivers import A, B, slow
from tests.store.failing import failing_writes
from tests.support.daemon import (
    EPOCH_MS,
    FakeReceiver,
    FakeThread,
    RunningDaemon,
    running,
    skip_ahead,
    statuses,
)

pytestmark = pytest.mark.usefixtures("each_engine")

HOUR_S = 3600


async def pause(daemon: RunningDaemon, webhook: Webhook, for_s: float | None = None) -> None:
    resumes_at = None if for_s is None else daemon.clock() + round(for_s * 1000)
    assert await daemon.change(webhook, paused=True, resumes_at=resumes_at) is not None


async def resume(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.change(webhook, paused=False) is not None


def arrived(daemon: RunningDaemon) -> list[tuple[float, int]]:
    return [(round(arrival.at, 1), arrival.number) for arrival in daemon.receiver.arrivals]


# -- what waits


async def test_deliveries_of_a_paused_webhook_wait_and_go_on_in_order_when_it_is_resumed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook)
    for number in range(40):
        await daemon.submit(team, number)
    await skip_ahead(2 * HOUR_S)
    assert await daemon.statuses(webhook) == ["pending"] * 40
    assert (daemon.receiver.arrivals, await daemon.balance(team)) == ([], 0)
    await resume(daemon, webhook)
    await daemon.submit(team, 40)
    await trio.sleep(1)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == list(range(41))
    assert await daemon.statuses(webhook) == ["succeeded"] * 41
    assert await daemon.balance(team) == -82


async def test_other_webhooks_do_not_notice_a_pause(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    other = await daemon.webhook(team, B)
    await pause(daemon, webhook)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    assert await daemon.statuses(other) == ["succeeded"] * 2


async def test_an_attempt_in_flight_may_finish_and_its_retry_waits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(3, 500)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    await pause(daemon, webhook)
    await trio.sleep(600)
    first, second = await daemon.deliveries(webhook)
    assert [(one.status, one.attempts_made) for one in (first, second)] == [("pending", 1), ("pending", 0)]
    daemon.receiver.answers.clear()
    await resume(daemon, webhook)
    await trio.sleep(1)
    assert arrived(daemon) == [(0, 1), (601, 1), (601, 2)]
    assert [arrival.attempt for arrival in daemon.receiver.arrivals] == [1, 2, 1]


async def test_a_success_in_flight_counts_and_is_charged(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(3)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    await pause(daemon, webhook)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["succeeded", "pending"]
    assert await daemon.balance(team) == -2


async def test_a_back_off_that_is_not_over_at_the_resume_is_waited_out(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1.5)  # the second retry is due at 3
    await pause(daemon, webhook)
    await trio.sleep(0.5)
    await resume(daemon, webhook)
    await trio.sleep(10)
    assert arrived(daemon) == [(0, 1), (1, 1), (3, 1), (3, 2)]


async def test_a_pause_and_a_resume_during_an_attempt_change_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(3, 500)
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await pause(daemon, webhook)
    await resume(daemon, webhook)
    await trio.sleep(60)
    assert arrived(daemon) == [(0, 1), (4, 1), (9, 1), (16, 1)]


@pytest.mark.parametrize("at", [0.5, 1.5, 2.5, 3.5])
async def test_nothing_is_sent_that_was_being_read_when_the_pause_came_and_nothing_is_lost_or_sent_twice(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_read: FakeThread, at: float, autojump_clock: MockClock
) -> None:
    run_read.begin_s, run_read.answer_s = 1, 1
    await daemon.submit(team, *range(20))  # its new actor reads the first page until 2, the next one until 4
    await trio.sleep(at)
    run_read.begin_s, run_read.answer_s = 0, 0
    await pause(daemon, webhook)
    sent = len(daemon.receiver.arrivals)
    await trio.sleep(60)
    assert len(daemon.receiver.arrivals) == sent
    await resume(daemon, webhook)
    await trio.sleep(60)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == list(range(20))


async def test_no_attempt_begins_while_a_pause_is_being_committed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    run_write.begin_s = 2
    await pause(daemon, webhook)  # the retry is due at 1
    await trio.sleep(60)
    assert len(daemon.receiver.arrivals) == 1


@pytest.mark.settings(credits={"enforce": True})
async def test_credits_that_a_paused_delivery_reserved_are_free_for_others(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.grant(team, 2)
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    await pause(daemon, webhook)
    other = await daemon.webhook(team, B, "linkedin.invitation.sent")
    await daemon.submit(team, 2, event="linkedin.invitation.sent")
    await trio.sleep(10)
    assert await daemon.statuses(other) == ["succeeded"]
    assert await daemon.statuses(webhook) == ["pending", "pending"]


@pytest.mark.settings(credits={"enforce": True})
async def test_what_waits_for_credits_can_be_paused_and_resumed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await pause(daemon, webhook)
    await daemon.grant(team, 2)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["pending"]
    await resume(daemon, webhook)
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"]


@pytest.mark.settings(delivery={"idle_actor_s": 20})
async def test_a_paused_webhook_costs_no_actor_and_no_reading_while_it_waits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_read: FakeThread, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await pause(daemon, webhook)
    reads = 0
    call = FakeThread.__call__

    async def count(thread: FakeThread, work: Callable[[], object], /) -> object:
        nonlocal reads
        reads += thread is run_read
        return await call(thread, work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeThread, "__call__", count)
        for number in range(200):
            await daemon.submit(team, number)
        await trio.sleep(19)
        assert (daemon.parts.fleet.alive, reads) == (1, 0)
        await trio.sleep(2)
        assert daemon.parts.fleet.alive == 0
        assert reads <= 1  # upkeep's
    await resume(daemon, webhook)
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == ["succeeded"] * 201


@pytest.mark.settings(delivery={"idle_actor_s": 20})
async def test_a_pause_within_a_back_off_leaves_no_actor(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200)
    await daemon.submit(team, 1)
    await trio.sleep(1.5)  # the second retry is due at 3
    await pause(daemon, webhook)
    await trio.sleep(21)
    assert daemon.parts.fleet.alive == 0
    await resume(daemon, webhook)
    await trio.sleep(1)
    assert arrived(daemon) == [(0, 1), (1, 1), (22.5, 1)]


# -- resuming by itself


async def test_a_webhook_resumes_by_itself_at_its_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook, for_s=2 * HOUR_S)
    await daemon.submit(team, 1, 2)
    await trio.sleep(2 * HOUR_S - 1)
    assert daemon.receiver.arrivals == []
    await trio.sleep(2)
    assert arrived(daemon) == [(2 * HOUR_S, 1), (2 * HOUR_S, 2)]
    current = await daemon.current(webhook)
    assert (current.paused_at, current.resumes_at) == (None, None)
    (line,) = daemon.log_lines("webhook_resumed")
    assert (line["webhookId"], line["reason"]) == (webhook.id, "time")


async def test_the_time_can_be_moved_and_removed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook, for_s=HOUR_S)
    paused_at = (await daemon.current(webhook)).paused_at
    await pause(daemon, webhook)
    assert (await daemon.current(webhook)).resumes_at is not None
    await pause(daemon, webhook, for_s=10)
    await daemon.submit(team, 1)
    await trio.sleep(9)
    await daemon.change(webhook, paused=True, until_resumed=True)
    await trio.sleep(2 * HOUR_S)
    assert daemon.receiver.arrivals == []
    current = await daemon.current(webhook)
    assert (current.paused_at, current.resumes_at) == (paused_at, None)


async def test_many_webhooks_resume_at_the_same_time_and_each_once(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    webhooks = [await daemon.webhook(team, f"https://{number}.example/hook") for number in range(40)]
    for webhook in webhooks:
        await pause(daemon, webhook, for_s=60)
    await daemon.submit(team, 1)
    await trio.sleep(62)
    assert len(daemon.receiver.arrivals) == 40
    assert len(daemon.log_lines("webhook_resumed")) == 40


async def test_a_webhook_that_is_not_due_is_not_resumed(
    daemon: RunningDaemon, webhook: Webhook, autojump_clock: MockClock
) -> None:
    with pytest.raises(NothingDue):
        await daemon.parts.webhooks.resume_when_due(webhook.id)
    await pause(daemon, webhook, for_s=60)
    with pytest.raises(NothingDue):
        await daemon.parts.webhooks.resume_when_due(webhook.id)
    assert (await daemon.current(webhook)).paused_at == EPOCH_MS


async def test_a_clock_that_is_set_ahead_or_back_moves_the_resume_and_loses_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook, for_s=HOUR_S)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    daemon.clock.offset_ms = -HOUR_S * 1000
    await trio.sleep(HOUR_S)
    assert daemon.receiver.arrivals == []
    daemon.clock.offset_ms = HOUR_S * 1000
    await trio.sleep(61)  # it looks once a minute
    assert len(daemon.receiver.arrivals) == 1


async def test_a_failing_store_delays_the_resume_only(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook, for_s=60)
    await daemon.submit(team, 1)
    await trio.sleep(59)
    with failing_writes(daemon.database):
        await trio.sleep(30)
        assert daemon.receiver.arrivals == []
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == ["succeeded"]


# -- restarts


async def test_a_pause_and_its_time_survive_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        timed, held = await daemon.webhook(team, A), await daemon.webhook(team, B)
        await pause(daemon, timed, for_s=100)
        await pause(daemon, held)
        await daemon.submit(team, 1, 2)
        await trio.sleep(10)
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(1)
        assert daemon.parts.fleet.alive == 0
        await trio.sleep(79)
        assert receiver.arrivals == []
        assert daemon.parts.fleet.alive == 0
        await trio.sleep(20)
        assert [arrival.number for arrival in receiver.at(A)] == [1, 2]
        await trio.sleep(HOUR_S)
        assert receiver.at(B) == []
        await resume(daemon, held)
        await trio.sleep(1)
        assert [arrival.number for arrival in receiver.at(B)] == [1, 2]


async def test_a_time_that_came_while_the_daemon_was_down_is_made_up_for_at_the_start(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await pause(daemon, webhook, for_s=100)
        await daemon.submit(team, 1)
    await trio.sleep(1000)
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_stop_does_not_wait_for_a_paused_webhook(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook, for_s=HOUR_S)
    await daemon.submit(team, 1)
    daemon.stop.set()
    with trio.fail_after(1):
        await daemon.stopped.wait()


# -- changes while it is paused


async def delete(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.parts.webhooks.delete(webhook.id)


async def disable(daemon: RunningDaemon, webhook: Webhook) -> None:
    await daemon.change(webhook, active=False)


@pytest.mark.parametrize("turn_off", [disable, delete])
async def test_turning_a_paused_webhook_off_cancels_what_waits_and_ends_the_pause(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    turn_off: Callable[[RunningDaemon, Webhook], Awaitable[None]],
    autojump_clock: MockClock,
) -> None:
    await pause(daemon, webhook, for_s=HOUR_S)
    await daemon.submit(team, 1, 2)
    await turn_off(daemon, webhook)
    assert await daemon.statuses(webhook) == ["cancelled"] * 2
    if turn_off is disable:
        enabled = await daemon.change(webhook, active=True)
        assert enabled is not None
        assert (enabled.paused_at, enabled.resumes_at) == (None, None)
        await daemon.submit(team, 3)
    await trio.sleep(2 * HOUR_S)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == ([3] if turn_off is disable else [])
    assert daemon.log_lines("webhook_resumed") == []


async def test_a_disabled_webhook_cannot_be_paused_but_can_be_enabled_paused(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await disable(daemon, webhook)
    with pytest.raises(WebhookInactive):
        await pause(daemon, webhook)
    await daemon.change(webhook, active=True, paused=True)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["pending"]


@pytest.mark.settings(delivery={"retry_delays_s": [], "disable_after": 1})
async def test_an_attempt_in_flight_may_still_disable_a_paused_webhook_which_ends_the_pause(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(3, 500)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    await pause(daemon, webhook, for_s=HOUR_S)
    await trio.sleep(10)
    current = await daemon.current(webhook)
    assert (current.disabled_reason, current.paused_at) == (DisabledReason.CONSECUTIVE_FAILURES, None)
    assert current.resumes_at is None
    assert await daemon.statuses(webhook) == ["failed", "cancelled"]


async def test_edits_apply_at_once_and_leave_the_pause(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook, for_s=HOUR_S)
    await daemon.submit(team, 1)
    await daemon.change(webhook, url=B)
    await daemon.parts.webhooks.rotate_secret(webhook.id, "secret", 3600)
    await trio.sleep(60)
    assert daemon.receiver.arrivals == []
    await resume(daemon, webhook)
    await trio.sleep(1)
    (arrival,) = daemon.receiver.arrivals
    assert arrival.url == B
    assert "x-kakiyo-signature" in arrival.headers


async def test_resent_recovered_and_test_deliveries_wait_too(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await disable(daemon, webhook)
    await daemon.submit(team, 2)
    await daemon.change(webhook, active=True, paused=True)
    (first,) = [one for one in await daemon.deliveries(webhook) if one.status is not DeliveryStatus.PENDING]
    await daemon.parts.replays.resend(first.id)
    assert await daemon.parts.replays.recover(webhook.id, 0) is not None
    await daemon.submit_test(team, 3)
    await trio.sleep(60)
    waiting = (await daemon.statuses(webhook)).count("pending")
    sent = len(daemon.receiver.arrivals)
    assert waiting >= 2
    await resume(daemon, webhook)
    await trio.sleep(1)
    assert len(daemon.receiver.arrivals) == sent + waiting


async def test_pausing_and_resuming_twice_change_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await resume(daemon, webhook)
    await pause(daemon, webhook)
    await trio.sleep(5)
    await pause(daemon, webhook)
    assert (await daemon.current(webhook)).paused_at == EPOCH_MS
    await resume(daemon, webhook)
    await resume(daemon, webhook)
    await daemon.submit(team, 1)
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"]
