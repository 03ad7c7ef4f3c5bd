"""What counts, when a webhook is disabled, what is cancelled, and the one mail (contract "Auto-disable")."""

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason, OutcomeKind, Team, Webhook
from daemon.store.reads import delivery_reads
from tests.actors.receivers import A, B
from tests.support.daemon import EPOCH_MS, FakeReceiver, RunningDaemon, make_settings, running, skip_ahead, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

# Each failed attempt is a failed delivery.
impatient = pytest.mark.settings(delivery={"retry_delays_s": ()})
A_FAILED_DELIVERY_S = 7


async def counter(daemon: RunningDaemon, webhook: Webhook) -> int:
    return (await daemon.current(webhook)).consecutive_failures


async def test_the_counter_goes_1_2_3_4_and_at_4_the_webhook_is_disabled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1, 2, 3, 4, 5)
    await trio.sleep(A_FAILED_DELIVERY_S / 2)
    counted = []
    for _ in range(4):
        await trio.sleep(A_FAILED_DELIVERY_S)
        now = await daemon.current(webhook)
        counted.append((now.consecutive_failures, now.active))
    assert counted == [(1, True), (2, True), (3, True), (4, False)]


async def test_the_webhook_is_disabled_at_the_very_moment_of_the_fourth_failed_delivery(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1, 2, 3, 4, 5)
    await trio.sleep(60)
    disabled = await daemon.current(webhook)
    assert not disabled.active
    assert disabled.disabled_reason is DisabledReason.CONSECUTIVE_FAILURES
    assert disabled.disabled_at == pytest.approx(EPOCH_MS + 4 * A_FAILED_DELIVERY_S * 1000, abs=2)
    assert disabled.updated_at == disabled.disabled_at
    assert len(daemon.receiver.arrivals) == 16


@impatient
async def test_a_success_in_between_resets_the_count(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 500, 200, 500, 500, 500, 200, 500)
    counted = []
    for number in range(12):
        await daemon.submit(team, number)
        await trio.sleep(1)
        counted.append(await counter(daemon, webhook))
    assert counted == [1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4]
    assert not (await daemon.current(webhook)).active


async def test_its_other_pending_deliveries_are_cancelled_and_never_sent(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(200))
    await trio.sleep(60)
    deliveries = await daemon.deliveries(webhook)
    assert [delivery.status for delivery in deliveries[:4]] == [DeliveryStatus.FAILED] * 4
    assert {(delivery.status, delivery.cancel_reason) for delivery in deliveries[4:]} == {
        (DeliveryStatus.CANCELLED, CancelReason.WEBHOOK_DISABLED)
    }
    disabled_at = (await daemon.current(webhook)).disabled_at
    assert {delivery.completed_at for delivery in deliveries[3:]} == {disabled_at}
    assert {arrival.number for arrival in daemon.receiver.arrivals} == {0, 1, 2, 3}
    (line,) = daemon.log_lines("webhook_disabled")
    assert (line["consecutiveFailures"], line["cancelled"]) == (4, 196)


async def test_disabling_one_webhook_leaves_the_others_alone(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    other = await daemon.webhook(team, B)
    await daemon.submit(team, *range(6))
    await trio.sleep(60)
    assert await daemon.statuses(other) == ["succeeded"] * 6
    assert (await daemon.current(other)).active


async def test_exactly_one_mail_names_webhook_url_time_and_the_last_error_of_each_failed_delivery(
    daemon: RunningDaemon,
    autojump_clock: MockClock,
) -> None:
    codes = iter([*[500] * 3, 501, *[500] * 3, 502, *[500] * 3, 503, *[500] * 3, 504])

    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(next(codes))

    daemon.receiver.answers[A] = answer
    team = await daemon.team(emails=("ann@example.com", "bob@example.com"))
    webhook = await daemon.webhook(team, A)
    await daemon.submit(team, *range(6))
    await trio.sleep(3600)
    await skip_ahead(23 * 3600)
    (mail,) = daemon.mails
    deliveries = await daemon.deliveries(webhook)
    assert (mail.webhook_id, mail.webhook_name, mail.webhook_url) == (webhook.id, webhook.name, A)
    assert mail.recipients == ("ann@example.com", "bob@example.com")
    assert mail.disabled_at == (await daemon.current(webhook)).disabled_at
    assert [failure.delivery_id for failure in mail.failures] == [delivery.id for delivery in deliveries[:4]]
    assert [failure.status for failure in mail.failures] == [501, 502, 503, 504]
    assert {failure.outcome for failure in mail.failures} == {OutcomeKind.HTTP_ERROR}
    assert all(failure.error for failure in mail.failures)
    assert [failure.failed_at for failure in mail.failures] == [delivery.completed_at for delivery in deliveries[:4]]
    assert len(daemon.log_lines("mail_sent")) == 1


@impatient
async def test_each_time_a_webhook_is_disabled_a_mail_is_sent(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    for _ in range(2):
        await daemon.submit(team, *range(4))
        await trio.sleep(60)
        await daemon.change(webhook, active=True)
    first, second = daemon.mails
    assert first.id != second.id
    deliveries = await daemon.deliveries(webhook)
    assert [failure.delivery_id for failure in second.failures] == [delivery.id for delivery in deliveries[4:]]


@impatient
async def test_a_team_without_notification_addresses_gets_no_mail(
    daemon: RunningDaemon, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    team = await daemon.team(emails=())
    webhook = await daemon.webhook(team, A)
    await daemon.submit(team, *range(4))
    await trio.sleep(3600)
    assert not (await daemon.current(webhook)).active
    assert daemon.mails == []
    assert daemon.log_lines("mail_queued", "mail_sent", "mail_undeliverable") == []


async def test_disabling_by_hand_sends_no_mail(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, active=False)
    await trio.sleep(3600)
    assert (await daemon.current(webhook)).disabled_reason is DisabledReason.MANUAL
    assert daemon.mails == []


@impatient
async def test_events_submitted_after_the_webhook_was_disabled_make_no_deliveries(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(4))
    await trio.sleep(1)
    (event_id,) = await daemon.submit(team, 4)
    await trio.sleep(1)
    assert len(await daemon.deliveries(webhook)) == 4
    assert not (await daemon.parts.store.reader.fetch(delivery_reads.deliveries_of_event, event_id, 1)).items


@impatient
async def test_re_enabling_resets_the_counter_and_delivers_new_events_only(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(10))
    await trio.sleep(1)
    await daemon.submit(team, 10)
    receiver.answers.clear()
    enabled = await daemon.change(webhook, active=True)
    await daemon.submit(team, 11)
    await trio.sleep(1)
    assert enabled is not None
    assert (enabled.active, enabled.consecutive_failures) == (True, 0)
    assert (enabled.disabled_reason, enabled.disabled_at) == (None, None)
    assert [arrival.number for arrival in receiver.arrivals] == [0, 1, 2, 3, 11]


@impatient
async def test_a_re_enabled_webhook_may_fail_as_often_as_a_new_one(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(4))
    await trio.sleep(1)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 4, 5, 6)
    await trio.sleep(1)
    assert (await daemon.current(webhook)).active
    assert await counter(daemon, webhook) == 3


@pytest.mark.parametrize(("disable_after", "attempts"), [(1, 1), (2, 2), (7, 7)])
async def test_the_number_of_failures_that_disable_is_a_setting(
    tmp_path: Path, autojump_clock: MockClock, disable_after: int, attempts: int
) -> None:
    settings = make_settings(tmp_path, delivery={"retry_delays_s": (), "disable_after": disable_after})
    async with running(tmp_path, FakeReceiver({A: statuses(500)}), settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(10))
        await trio.sleep(60)
        assert len(daemon.receiver.arrivals) == attempts
        assert await counter(daemon, webhook) == disable_after
        assert len(daemon.mails[0].failures) == disable_after


@pytest.mark.settings(delivery={"count": "attempts"})
async def test_with_count_attempts_the_fourth_failed_attempt_in_a_row_disables(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    disabled = await daemon.current(webhook)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [1, 1, 1, 1]
    assert disabled.disabled_at == pytest.approx(EPOCH_MS + A_FAILED_DELIVERY_S * 1000, abs=2)
    assert await daemon.statuses(webhook) == ["failed", "cancelled"]


@pytest.mark.settings(delivery={"count": "attempts"})
async def test_with_count_attempts_a_success_resets_the_count(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200, 500, 500, 500, 200, 500)
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["succeeded", "succeeded", "failed"]
    assert len(receiver.arrivals) == 3 + 4 + 4


@pytest.mark.settings(delivery={"count": "attempts", "retry_delays_s": [1]})
async def test_with_count_attempts_the_mail_lists_no_delivery_from_before_the_last_success(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200, 500)
    await daemon.submit(team, 1, 2, 3, 4)
    await trio.sleep(60)
    deliveries = await daemon.deliveries(webhook)
    assert [delivery.status for delivery in deliveries] == ["failed", "succeeded", "failed", "failed"]
    (mail,) = daemon.mails
    assert [failure.delivery_id for failure in mail.failures] == [delivery.id for delivery in deliveries[2:]]


async def test_the_counter_survives_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver, settings = FakeReceiver({A: statuses(500)}), make_settings(tmp_path, delivery={"retry_delays_s": ()})
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(1)
    async with running(tmp_path, receiver, daemon.clock, settings) as daemon:
        await daemon.submit(team, 4, 5)
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["failed"] * 4 + ["cancelled"]
        assert await counter(daemon, webhook) == 4


async def test_disabling_and_its_mail_survive_a_crash_at_the_same_moment(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver, settings = FakeReceiver({A: statuses(500)}), make_settings(tmp_path, delivery={"retry_delays_s": ()})
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(8))
        while not daemon.log_lines("webhook_disabled"):
            await trio.lowlevel.checkpoint()
        sent_before = list(daemon.mails)
    async with running(tmp_path, receiver, daemon.clock, settings) as daemon:
        await daemon.submit(team, 9)
        await trio.sleep(60)
        assert not (await daemon.current(webhook)).active
        assert len(receiver.arrivals) == 4
        assert len({mail.id for mail in (*sent_before, *daemon.mails)}) == 1
        assert await daemon.statuses(webhook) == ["failed"] * 4 + ["cancelled"] * 4


@pytest.mark.settings(delivery={"count": "attempts"})
async def test_the_mail_of_a_second_disabling_lists_no_delivery_of_the_first(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 2)
    await trio.sleep(60)
    first, second = await daemon.deliveries(webhook)
    told = [[failure.delivery_id for failure in mail.failures] for mail in daemon.mails]
    assert told == [[first.id], [second.id]]
