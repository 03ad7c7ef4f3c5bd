"""Changes to a webhook never race with its deliveries (contract "HTTP API"; architecture "How an event flows", 4)."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.delivery.work_queue import FIRST_PAGE
from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason, Team, Webhook
from tests.actors.receivers import A, B, slow
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

SIGNATURE = "x-kakiyo-signature"

TurnOff = Callable[[RunningDaemon, Webhook], Awaitable[object]]


async def disable(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.change(webhook, active=False) is not None


async def delete(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.parts.webhooks.delete(webhook.id)


disabled_or_deleted = pytest.mark.parametrize(
    ("turn_off", "reason"),
    [(disable, CancelReason.WEBHOOK_DISABLED), (delete, CancelReason.WEBHOOK_DELETED)],
    ids=["disable", "delete"],
)


@contextmanager
def at_once() -> Iterator[None]:
    """Assert that no time passes, in virtual time."""
    before = trio.current_time()
    yield
    assert trio.current_time() == before


# -- edits


async def test_the_next_attempt_goes_to_the_url_edited_during_the_back_off(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1)
    await trio.sleep(2)
    await daemon.change(webhook, url=B)
    await trio.sleep(60)
    assert [(round(arrival.at, 3), arrival.url) for arrival in daemon.receiver.arrivals] == [(0, A), (1, A), (3, B)]
    assert await daemon.statuses(webhook) == ["succeeded"]


async def test_an_edit_during_an_attempt_applies_from_the_next_attempt_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(3, 500)
    await daemon.submit(team, 1)
    await trio.sleep(1)
    with at_once():
        await daemon.change(webhook, url=B)
    await trio.sleep(60)
    assert [arrival.url for arrival in daemon.receiver.arrivals] == [A, B]


async def test_each_attempt_is_signed_with_the_secret_of_its_time(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    webhook = await daemon.webhook(team, A, secret="one")
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    await daemon.change(webhook, remove_secret=True)
    await trio.sleep(1)
    await daemon.change(webhook, secret="two")
    await trio.sleep(60)
    signatures = [arrival.headers.get(SIGNATURE) for arrival in daemon.receiver.arrivals]
    assert [signature is not None for signature in signatures] == [True, False, True, True]
    assert signatures[0] != signatures[2] == signatures[3]


async def test_an_edited_subscription_applies_to_the_next_event(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    webhook = await daemon.webhook(team, A, "linkedin.message.sent")
    await daemon.submit(team, 1, event="linkedin.message.received")
    await daemon.change(webhook, events=("linkedin.message.received",))
    await daemon.submit(team, 2, event="linkedin.message.received")
    await daemon.submit(team, 3, event="linkedin.message.sent")
    await trio.sleep(1)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [2]


async def test_removing_a_subscription_does_not_affect_events_accepted_before(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(1)
    await daemon.submit(team, 1, 2, 3)
    await daemon.change(webhook, events=("prospect.unqualified",))
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == ["succeeded"] * 3


async def test_a_change_to_a_webhook_with_100_waiting_deliveries_is_answered_at_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(9)
    await daemon.submit(team, *range(100))
    await trio.sleep(1)
    with at_once():
        changed = await daemon.change(webhook, name="CRM Sync, the new one")
    assert changed is not None
    assert changed.name == (await daemon.current(webhook)).name == "CRM Sync, the new one"


async def test_changing_or_deleting_an_unknown_webhook_reports_that_it_is_unknown(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await delete(daemon, webhook)
    assert await daemon.change(webhook, name="x") is None
    assert not await daemon.parts.webhooks.delete(webhook.id)
    assert not await daemon.parts.webhooks.delete("wh_unknown")


# -- disabling and deleting


@disabled_or_deleted
async def test_an_idle_webhook_that_is_turned_off_gets_no_more_events(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    await turn_off(daemon, webhook)
    await daemon.submit(team, 1)
    await trio.sleep(120)
    assert daemon.receiver.arrivals == []
    assert daemon.parts.fleet.alive == 0


@disabled_or_deleted
async def test_turning_off_during_a_back_off_cancels_at_once_and_makes_no_further_attempt(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1, 2)
    await trio.sleep(2)
    with at_once():
        await turn_off(daemon, webhook)
    first, second = await daemon.deliveries(webhook)
    assert [(one.status, one.cancel_reason) for one in (first, second)] == [(DeliveryStatus.CANCELLED, reason)] * 2
    assert first.next_attempt_at is None
    await trio.sleep(60)
    assert len(daemon.receiver.arrivals) == 2
    assert first.attempts_made == 2


@disabled_or_deleted
async def test_an_attempt_in_flight_may_finish_and_its_success_counts_and_is_charged(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    daemon.receiver.answers[A] = slow(3)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    with at_once():
        await turn_off(daemon, webhook)
    assert await daemon.statuses(webhook) == ["pending", "cancelled"]
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["succeeded", "cancelled"]
    assert await daemon.balance(team) == -2


@disabled_or_deleted
async def test_an_attempt_in_flight_that_fails_is_cancelled_and_not_held_against_the_webhook(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    daemon.receiver.answers[A] = slow(3, 500)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    await turn_off(daemon, webhook)
    await trio.sleep(60)
    deliveries = await daemon.deliveries(webhook)
    assert {(one.status, one.cancel_reason) for one in deliveries} == {(DeliveryStatus.CANCELLED, reason)}
    assert [len(await daemon.attempts(one)) for one in deliveries] == [1, 0]
    assert len(daemon.receiver.arrivals) == 1
    assert await daemon.balance(team) == 0
    if turn_off is disable:
        current = await daemon.current(webhook)
        assert (current.consecutive_failures, current.disabled_reason) == (0, DisabledReason.MANUAL)


@disabled_or_deleted
async def test_turning_off_with_a_backlog_of_200_cancels_all_of_it(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    daemon.receiver.answers[A] = slow(5)
    await daemon.submit(team, *range(200))
    await trio.sleep(1)
    with at_once():
        await turn_off(daemon, webhook)
    await trio.sleep(3600)
    deliveries = await daemon.deliveries(webhook)
    assert deliveries[0].status is DeliveryStatus.SUCCEEDED
    assert {(one.status, one.cancel_reason) for one in deliveries[1:]} == {(DeliveryStatus.CANCELLED, reason)}
    assert len(daemon.receiver.arrivals) == 1
    assert daemon.parts.fleet.alive == 0


async def test_a_deleted_webhook_is_gone_and_its_secret_forgotten(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    webhook = await daemon.webhook(team, A, secret="whsec_c2VjcmV0")
    await delete(daemon, webhook)
    with daemon.database.reading.connect() as connection:
        row = connection.exec_driver_sql("SELECT secret, active, deleted_at FROM webhooks").one()
    assert (row.secret, row.active) == (None, 0)
    assert row.deleted_at is not None


async def test_disabling_twice_keeps_reason_and_time_of_the_first(
    daemon: RunningDaemon, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await disable(daemon, webhook)
    first = await daemon.current(webhook)
    await trio.sleep(5)
    await disable(daemon, webhook)
    second = await daemon.current(webhook)
    assert (second.disabled_at, second.disabled_reason) == (first.disabled_at, first.disabled_reason)


# -- what must not slip through


async def test_nothing_cancelled_is_delivered_when_a_hinted_backlog_is_disabled_and_enabled_quickly(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = slow(1)
    await daemon.submit(team, 0)
    await trio.sleep(0.5)
    await daemon.submit(team, *range(1, 40))
    await disable(daemon, webhook)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 100)
    await trio.sleep(60)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [0, 100]
    assert await daemon.statuses(webhook) == ["succeeded", *["cancelled"] * 39, "succeeded"]


@pytest.mark.parametrize(("delivered", "at"), [(0, 1.5), (FIRST_PAGE, 3.5)])
async def test_nothing_cancelled_is_delivered_when_it_was_being_read_during_disable_and_enable(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    run_read: FakeThread,
    delivered: int,
    at: float,
    autojump_clock: MockClock,
) -> None:
    run_read.begin_s, run_read.answer_s = 1, 1
    numbers = list(range(delivered + 5))
    await daemon.submit(team, *numbers)  # its new actor reads the first page until 2, the next one until 4
    await trio.sleep(at)
    run_read.begin_s, run_read.answer_s = 0, 0
    await disable(daemon, webhook)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 100)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == [*["succeeded"] * delivered, *["cancelled"] * 5, "succeeded"]
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [*numbers[:delivered], 100]


@disabled_or_deleted
async def test_no_attempt_begins_while_turning_off_is_being_committed(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    run_write: FakeThread,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    receiver.answers[A] = statuses(500, 200)
    await daemon.submit(team, 1)
    await trio.sleep(0.8)
    run_write.answer_s = 1  # the back-off ends during the commit
    await turn_off(daemon, webhook)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["cancelled"]
    assert len(receiver.arrivals) == 1
    assert daemon.log_lines("delivery_succeeded") == []


@disabled_or_deleted
async def test_an_event_accepted_while_the_webhook_is_turned_off_is_cancelled_and_not_left_pending(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    run_write: FakeThread,
    turn_off: TurnOff,
    reason: CancelReason,
    autojump_clock: MockClock,
) -> None:
    run_write.begin_s = 0.01
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turn_off, daemon, webhook)
        await trio.sleep(0.005)
        nursery.start_soon(daemon.submit, team, 1)  # committed right after it is turned off
    await trio.sleep(1)
    deliveries = await daemon.deliveries(webhook)
    assert deliveries
    assert {(one.status, one.cancel_reason) for one in deliveries} == {(DeliveryStatus.CANCELLED, reason)}
    assert daemon.receiver.arrivals == []


async def test_an_event_accepted_during_the_disabling_is_delivered_once_the_webhook_is_enabled_again(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.begin_s = 0.01
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disable, daemon, webhook)
        await trio.sleep(0.005)
        nursery.start_soon(daemon.submit, team, 1)  # committed at 0.02, right after the disabling
        await trio.sleep(0.010)
        await daemon.change(webhook, active=True)  # committed at 0.03: the actor wants to cancel it by then
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_change_whose_caller_left_before_its_turn_is_not_made(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    run_write: FakeThread,
    autojump_clock: MockClock,
) -> None:
    receiver.answers[A] = slow(1)
    await daemon.submit(team, 1)
    run_write.begin_s = 5
    await trio.sleep(1.5)  # the actor is busy committing its outcome
    with trio.move_on_after(1):
        await disable(daemon, webhook)
    await trio.sleep(60)
    assert (await daemon.current(webhook)).active


@disabled_or_deleted
async def test_turning_off_survives_a_crash(
    tmp_path: Path, autojump_clock: MockClock, turn_off: TurnOff, reason: CancelReason
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(5)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(1)
        await turn_off(daemon, webhook)
    async with running(tmp_path, daemon.receiver, daemon.clock) as daemon:
        await daemon.submit(team, 4)
        await trio.sleep(60)
        # The one in flight when the process died is still pending: it is cancelled, not sent again.
        assert await daemon.statuses(webhook) == ["cancelled"] * 3
        assert len(daemon.receiver.arrivals) == 1
