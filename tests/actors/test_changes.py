"""Changes to a webhook never race with its deliveries (contract "HTTP API"; architecture "The way of one event", 4)."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.delivery.work_queue import FIRST_PAGE
from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason, Webhook
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, running, statuses

A, B = "https://a.example/hook", "https://b.example/hook"
SIGNATURE = "x-kakiyo-signature"

Withdraw = Callable[[RunningDaemon, Webhook], Awaitable[object]]


async def disable(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.change(webhook, active=False) is not None


async def delete(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.parts.webhooks.delete(webhook.id)


withdrawals = pytest.mark.parametrize(
    ("withdraw", "reason"),
    [(disable, CancelReason.WEBHOOK_DISABLED), (delete, CancelReason.WEBHOOK_DELETED)],
    ids=["disable", "delete"],
)


def slow(seconds: float, status: int = 200) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    async def answer(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(seconds)
        return httpx.Response(status)

    return answer


@contextmanager
def at_once() -> Iterator[None]:
    """Assert that no time passes, in virtual time."""
    before = trio.current_time()
    yield
    assert trio.current_time() == before


# -- edits


async def test_a_url_edited_during_a_back_off_is_where_the_next_attempt_goes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: statuses(500)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(2)
        await daemon.change(webhook, url=B)
        await trio.sleep(60)
        assert [(round(arrival.at, 3), arrival.url) for arrival in daemon.receiver.arrivals] == [(0, A), (1, A), (3, B)]
        assert await daemon.statuses(webhook) == ["succeeded"]


async def test_an_edit_during_an_attempt_holds_from_the_next_attempt_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(3, 500)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        with at_once():
            await daemon.change(webhook, url=B)
        await trio.sleep(60)
        assert [arrival.url for arrival in daemon.receiver.arrivals] == [A, B]


async def test_a_secret_removed_and_added_between_attempts_decides_over_their_signatures(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: statuses(500)})) as daemon:
        team = await daemon.team()
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


async def test_an_edited_subscription_holds_for_the_next_event(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A, "linkedin.message.sent")
        await daemon.submit(team, 1, event="linkedin.message.received")
        await daemon.change(webhook, events=("linkedin.message.received",))
        await daemon.submit(team, 2, event="linkedin.message.received")
        await daemon.submit(team, 3, event="linkedin.message.sent")
        await trio.sleep(1)
        assert [arrival.number for arrival in daemon.receiver.arrivals] == [2]


async def test_a_subscription_edited_away_still_gets_what_was_accepted_before(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(1)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2, 3)
        await daemon.change(webhook, events=("prospect.unqualified",))
        await trio.sleep(10)
        assert await daemon.statuses(webhook) == ["succeeded"] * 3


async def test_a_change_to_a_webhook_with_100_waiting_deliveries_is_answered_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(9)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(100))
        await trio.sleep(1)
        with at_once():
            changed = await daemon.change(webhook, name="CRM Sync, the new one")
        assert changed is not None
        assert changed.name == (await daemon.current(webhook)).name == "CRM Sync, the new one"


async def test_changing_or_deleting_what_does_not_exist_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await delete(daemon, webhook)
        assert await daemon.change(webhook, name="x") is None
        assert not await daemon.parts.webhooks.delete(webhook.id)
        assert not await daemon.parts.webhooks.delete("wh_unknown")


# -- disabling and deleting


@withdrawals
async def test_withdrawing_an_idle_webhook(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await withdraw(daemon, webhook)
        await daemon.submit(team, 1)
        await trio.sleep(120)
        assert daemon.receiver.arrivals == []
        assert daemon.parts.fleet.alive == 0


@withdrawals
async def test_withdrawing_during_a_back_off_cancels_at_once_and_makes_no_further_attempt(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    async with running(tmp_path, FakeReceiver({A: statuses(500)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(2)
        with at_once():
            await withdraw(daemon, webhook)
        first, second = await daemon.deliveries(webhook)
        assert [(one.status, one.cancel_reason) for one in (first, second)] == [(DeliveryStatus.CANCELLED, reason)] * 2
        assert first.next_attempt_at is None
        await trio.sleep(60)
        assert len(daemon.receiver.arrivals) == 2
        assert first.attempts_made == 2


@withdrawals
async def test_an_attempt_in_flight_may_finish_and_its_success_counts_and_is_charged(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(3)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1)
        with at_once():
            await withdraw(daemon, webhook)
        assert await daemon.statuses(webhook) == ["pending", "cancelled"]
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["succeeded", "cancelled"]
        assert await daemon.balance(team) == -2


@withdrawals
async def test_an_attempt_in_flight_that_fails_is_cancelled_and_not_held_against_the_webhook(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(3, 500)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1)
        await withdraw(daemon, webhook)
        await trio.sleep(60)
        deliveries = await daemon.deliveries(webhook)
        assert {(one.status, one.cancel_reason) for one in deliveries} == {(DeliveryStatus.CANCELLED, reason)}
        assert [len(await daemon.attempts(one)) for one in deliveries] == [1, 0]
        assert len(daemon.receiver.arrivals) == 1
        assert await daemon.balance(team) == 0
        if withdraw is disable:
            current = await daemon.current(webhook)
            assert (current.consecutive_failures, current.disabled_reason) == (0, DisabledReason.MANUAL)


@withdrawals
async def test_withdrawing_with_a_backlog_of_200_cancels_all_of_it(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(5)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(200))
        await trio.sleep(1)
        with at_once():
            await withdraw(daemon, webhook)
        await trio.sleep(3600)
        deliveries = await daemon.deliveries(webhook)
        assert deliveries[0].status is DeliveryStatus.SUCCEEDED
        assert {(one.status, one.cancel_reason) for one in deliveries[1:]} == {(DeliveryStatus.CANCELLED, reason)}
        assert len(daemon.receiver.arrivals) == 1
        assert daemon.parts.fleet.alive == 0


async def test_a_deleted_webhook_is_gone_and_its_secret_forgotten(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A, secret="whsec_c2VjcmV0")
        await delete(daemon, webhook)
        with daemon.database.reading.connect() as connection:
            row = connection.exec_driver_sql("SELECT secret, active, deleted_at FROM webhooks").one()
    assert (row.secret, row.active) == (None, 0)
    assert row.deleted_at is not None


async def test_disabling_twice_keeps_reason_and_time_of_the_first(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        webhook = await daemon.webhook(await daemon.team(), A)
        await disable(daemon, webhook)
        first = await daemon.current(webhook)
        await trio.sleep(5)
        await disable(daemon, webhook)
        second = await daemon.current(webhook)
        assert (second.disabled_at, second.disabled_reason) == (first.disabled_at, first.disabled_reason)


# -- what must not slip through


async def test_nothing_cancelled_is_delivered_when_a_hinted_backlog_is_disabled_and_enabled_quickly(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(1)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
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
async def test_nothing_cancelled_is_delivered_when_it_was_being_read_while_disabled_and_enabled(
    tmp_path: Path, autojump_clock: MockClock, delivered: int, at: float
) -> None:
    run_read = FakeThread()
    async with running(tmp_path, run_read=run_read) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        run_read.begin_s, run_read.answer_s = 1, 1
        numbers = list(range(delivered + 5))
        await daemon.submit(team, *numbers)  # a new actor: until 2 it reads the first page, and until 4 the next one
        await trio.sleep(at)
        run_read.begin_s, run_read.answer_s = 0, 0
        await disable(daemon, webhook)
        await daemon.change(webhook, active=True)
        await daemon.submit(team, 100)
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == [*["succeeded"] * delivered, *["cancelled"] * 5, "succeeded"]
        assert [arrival.number for arrival in daemon.receiver.arrivals] == [*numbers[:delivered], 100]


@withdrawals
async def test_no_attempt_begins_while_the_withdrawal_is_being_committed(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    run_write = FakeThread()
    receiver = FakeReceiver({A: statuses(500, 200)})
    async with running(tmp_path, receiver, run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(0.8)
        run_write.answer_s = 1  # the back-off ends in between
        await withdraw(daemon, webhook)
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["cancelled"]
        assert len(receiver.arrivals) == 1
        assert daemon.log_lines("delivery_succeeded") == []


@withdrawals
async def test_what_is_accepted_while_the_webhook_is_withdrawn_is_cancelled_and_never_pending_for_ever(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    run_write = FakeThread()
    async with running(tmp_path, run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        run_write.begin_s = 0.01
        async with trio.open_nursery() as nursery:
            nursery.start_soon(withdraw, daemon, webhook)
            await trio.sleep(0.005)
            nursery.start_soon(daemon.submit, team, 1)  # committed right after the withdrawal
        await trio.sleep(1)
        deliveries = await daemon.deliveries(webhook)
        assert deliveries
        assert {(one.status, one.cancel_reason) for one in deliveries} == {(DeliveryStatus.CANCELLED, reason)}
        assert daemon.receiver.arrivals == []


async def test_what_was_accepted_while_disabling_is_not_cancelled_any_more_once_the_webhook_is_enabled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    run_write = FakeThread()
    async with running(tmp_path, run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        run_write.begin_s = 0.01
        async with trio.open_nursery() as nursery:
            nursery.start_soon(disable, daemon, webhook)
            await trio.sleep(0.005)
            nursery.start_soon(daemon.submit, team, 1)  # committed at 0.02, right after the disabling
            await trio.sleep(0.010)
            await daemon.change(webhook, active=True)  # committed at 0.03: the actor wants to cancel it by then
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_change_whose_caller_went_away_before_its_turn_is_not_made(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    run_write, receiver = FakeThread(), FakeReceiver({A: slow(1)})
    async with running(tmp_path, receiver, run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        run_write.begin_s = 5
        await trio.sleep(1.5)  # the actor is busy committing its outcome
        with trio.move_on_after(1):
            await disable(daemon, webhook)
        await trio.sleep(60)
        assert (await daemon.current(webhook)).active


@withdrawals
async def test_a_withdrawal_survives_a_crash(
    tmp_path: Path, autojump_clock: MockClock, withdraw: Withdraw, reason: CancelReason
) -> None:
    async with running(tmp_path, FakeReceiver({A: slow(5)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(1)
        await withdraw(daemon, webhook)
    async with running(tmp_path, daemon.receiver, daemon.clock) as daemon:
        await daemon.submit(team, 4)
        await trio.sleep(60)
        # The one that was in flight when the process died is pending still: it is cancelled, not sent again.
        assert await daemon.statuses(webhook) == ["cancelled"] * 3
        assert len(daemon.receiver.arrivals) == 1
