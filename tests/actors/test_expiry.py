"""Events that expire, exact in virtual time (contract "Terms of an event")."""

from pathlib import Path

import pytest
import trio
from sqlalchemy import Connection, func, select
from trio.testing import MockClock

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import CancelReason, DeliveryStatus, Team, Webhook
from daemon.domain.retries import WhileRetrying
from daemon.domain.webhook_options import WebhookOptions
from daemon.store.schema import expiries
from tests.actors.receivers import A, B, hang, slow
from tests.actors.test_stepping_aside import ASIDE, choose, failing, sent, waiting
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")


def within_s(daemon: RunningDaemon, seconds: float, *, after_s: float | None = None) -> DeliveryTerms:
    """Return the terms of an event that expires so many seconds from now, and is not delivered before a time."""
    deliver_at = None if after_s is None else daemon.clock() + round(after_s * 1000)
    return DeliveryTerms(deliver_at=deliver_at, expires_at=daemon.clock() + round(seconds * 1000))


async def outcomes(daemon: RunningDaemon, webhook: Webhook) -> list[tuple[DeliveryStatus, CancelReason | None]]:
    return [(one.status, one.cancel_reason) for one in await daemon.deliveries(webhook)]


def count_expiries(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(expiries)).scalar_one())


SUCCEEDED = (DeliveryStatus.SUCCEEDED, None)
EXPIRED = (DeliveryStatus.CANCELLED, CancelReason.EXPIRED)


async def test_what_is_delivered_in_time_is_as_always_and_leaves_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, within_s(daemon, 60), 1)
    await trio.sleep(100)
    assert sent(receiver) == [(1, 0)]
    assert await outcomes(daemon, webhook) == [SUCCEEDED]
    assert await daemon.parts.store.reader.fetch(count_expiries) == 0


async def test_one_that_waits_for_its_retry_is_cancelled_at_its_time_and_the_next_one_goes_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=9)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 20.0)))
    await daemon.submit_on(team, within_s(daemon, 15), 1)
    await daemon.submit(team, 2)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (1, 10), (2, 15)]
    assert await outcomes(daemon, webhook) == [EXPIRED, SUCCEEDED]
    assert (await daemon.current(webhook)).consecutive_failures == 0
    [line] = daemon.log_lines("delivery_cancelled")
    assert line["reason"] == "expired"


async def test_so_is_one_that_waits_aside(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=9)
    await choose(daemon, webhook, ASIDE)
    await daemon.submit_on(team, within_s(daemon, 15), 1)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (1, 10)]
    assert await outcomes(daemon, webhook) == [EXPIRED]
    assert await waiting(daemon) == 0


async def test_one_for_later_may_expire_soon_after_its_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, within_s(daemon, 20, after_s=10), 1)
    await trio.sleep(5)
    await daemon.change(webhook, paused=True)
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == ["pending"]
    await trio.sleep(10)
    assert await outcomes(daemon, webhook) == [EXPIRED]
    assert receiver.arrivals == []


async def test_a_paused_webhook_cancels_what_expires_and_keeps_the_rest(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, within_s(daemon, 10), 1)
    await daemon.submit(team, 2)
    await trio.sleep(15)
    assert await outcomes(daemon, webhook) == [EXPIRED, (DeliveryStatus.PENDING, None)]
    await daemon.change(webhook, paused=False)
    await trio.sleep(1)
    assert [number for number, _ in sent(receiver)] == [2]


@pytest.mark.settings(credits={"enforce": True})
async def test_what_waits_for_credits_expires(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, within_s(daemon, 10), 1)
    await daemon.submit(team, 2)
    await trio.sleep(15)
    assert await outcomes(daemon, webhook) == [EXPIRED, (DeliveryStatus.PENDING, None)]
    await daemon.grant(team, 2)
    await trio.sleep(1)
    assert [number for number, _ in sent(receiver)] == [2]


async def test_an_attempt_in_flight_finishes_and_a_success_counts(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(5)
    await daemon.submit_on(team, within_s(daemon, 2), 1)
    await trio.sleep(30)
    assert await outcomes(daemon, webhook) == [SUCCEEDED]
    assert await daemon.balance(team) == -2


async def test_one_whose_attempt_fails_after_its_time_is_cancelled_and_not_held_against_the_webhook(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(5, 503)
    for number in range(5):
        await daemon.submit_on(team, within_s(daemon, 2 + 5 * number), number)
    await trio.sleep(60)
    assert await outcomes(daemon, webhook) == [EXPIRED] * 5
    [shown] = await daemon.attempts((await daemon.deliveries(webhook))[0])
    assert shown.outcome.status == 503
    webhook = await daemon.current(webhook)
    assert (webhook.active, webhook.consecutive_failures) == (True, 0)


async def test_what_had_expired_before_its_turn_is_not_attempted(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(5)
    await daemon.submit(team, 1)
    await daemon.submit_on(team, within_s(daemon, 3), *range(2, 30))
    await daemon.submit_on(team, within_s(daemon, -1), 30)
    await daemon.submit(team, 31)
    await trio.sleep(30)
    assert sent(receiver) == [(1, 0), (31, 5)]
    assert (await outcomes(daemon, webhook)).count(EXPIRED) == 29


async def test_what_expired_while_nothing_ran_is_never_sent(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver({A: hang, B: statuses(503)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhooks = [await daemon.webhook(team, url) for url in (A, B)]
        await daemon.submit_on(team, within_s(daemon, 30), *range(60))
        await daemon.submit(team, 60)
        await trio.sleep(0.5)
    await trio.sleep(60)
    before = len(receiver.arrivals)
    receiver.answers.clear()
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(30)
        assert [arrival.number for arrival in receiver.arrivals[before:]] == [60, 60]
        for webhook in webhooks:
            assert await outcomes(daemon, webhook) == [*[EXPIRED] * 60, SUCCEEDED]
        assert await daemon.parts.store.reader.fetch(count_expiries) == 0


async def test_the_deliveries_of_a_large_submission_expire_too(
    slow_pieces: None,
    daemon: RunningDaemon,
    team: Team,
    webhooks: list[Webhook],
    receiver: FakeReceiver,
    autojump_clock: MockClock,
) -> None:
    receiver.answers = {webhook.url: hang for webhook in webhooks}
    await daemon.submit_on(team, within_s(daemon, 5), 1, 2)
    await trio.sleep(60)
    for webhook in webhooks:
        assert await outcomes(daemon, webhook) == [EXPIRED] * 2


async def test_a_resend_does_not_expire_and_a_recovery_leaves_out_what_has_expired(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, within_s(daemon, 0.5), 1)
    await daemon.submit_on(team, within_s(daemon, 300), 2)
    await daemon.change(webhook, active=False)
    await trio.sleep(1)
    await daemon.change(webhook, active=True)
    assert receiver.arrivals == []
    assert await daemon.parts.replays.recover(webhook.id, daemon.clock() - 60_000) == 1
    [first, *_] = await daemon.deliveries(webhook)
    await daemon.parts.replays.resend(first.id)
    await trio.sleep(1)
    assert [number for number, _ in sent(receiver)] == [2, 1]


async def test_what_was_recovered_expires(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, within_s(daemon, 60), 1)
    await daemon.change(webhook, active=False)
    await daemon.change(webhook, active=True, paused=True)
    await daemon.parts.replays.recover(webhook.id, daemon.clock() - 60_000)
    await trio.sleep(90)
    assert (receiver.arrivals, (await outcomes(daemon, webhook))[-1]) == ([], EXPIRED)


async def test_a_failing_store_delays_the_cancelling_and_nothing_is_sent(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    run_write: FakeThread,
    autojump_clock: MockClock,
) -> None:
    receiver.answers[A] = statuses(503)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(12.0,)))
    await daemon.submit_on(team, within_s(daemon, 10), 1)
    await trio.sleep(5)
    run_write.begin_s = 6
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == ["pending"]
    await trio.sleep(20)
    assert sent(receiver) == [(1, 0)]
    assert await outcomes(daemon, webhook) == [EXPIRED]


async def test_an_edit_leaves_the_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(503)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(100.0,)))
    await daemon.submit_on(team, within_s(daemon, 50), 1)
    await trio.sleep(10)
    edit = WebhookEdit(
        options=WebhookOptions(while_retrying=WhileRetrying.STEP_ASIDE), changed_options=("while_retrying",)
    )
    await daemon.parts.webhooks.change(webhook.id, edit)
    await trio.sleep(30)
    assert await daemon.statuses(webhook) == ["pending"]
    await trio.sleep(20)
    assert await outcomes(daemon, webhook) == [EXPIRED]
