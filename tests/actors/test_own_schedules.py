"""Webhooks with retries of their own, exact in virtual time (contract "Options of a webhook")."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DeliveryStatus, DisabledReason, Team, Webhook
from daemon.domain.retries import Jitter, NamedSchedule
from daemon.domain.webhook_options import WebhookOptions
from daemon.seams import Seams
from tests.actors.receivers import A
from tests.support.daemon import FakeReceiver, RunningDaemon, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

HOUR_S = 3600


async def choose(daemon: RunningDaemon, webhook: Webhook, options: WebhookOptions) -> None:
    """Give the webhook these options about retries."""
    names = ("retry_schedule", "retry_jitter", "retry_after", "disable_on_gone")
    await daemon.parts.webhooks.change(webhook.id, WebhookEdit(options=options, changed_options=names))


def asking(status: int, *retry_after: str) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Answer with this status, and with each of these values of Retry-After in turn, then with 200."""
    left = list(retry_after)

    async def answer(_request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(status, headers={"Retry-After": left.pop(0)}) if left else httpx.Response(200)

    return answer


def times(receiver: FakeReceiver) -> list[float]:
    return [arrival.at for arrival in receiver.at(A)]


async def test_an_own_schedule_decides_when_retries_are_made_and_how_many(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(3.0, 5.0)))
    await daemon.submit(team, 1)
    await trio.sleep(30)
    [delivery] = await daemon.deliveries(webhook)
    assert times(receiver) == pytest.approx([0, 3, 8], abs=1e-6)
    assert (delivery.status, delivery.attempts_made) == (DeliveryStatus.FAILED, 3)


async def test_the_next_deliveries_wait_in_order_for_the_one_that_is_retried(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 200)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(30.0,)))
    await daemon.submit(team, 1, 2)
    await trio.sleep(20)
    await daemon.submit(team, 3)
    await trio.sleep(20)
    assert [arrival.number for arrival in receiver.at(A)] == [1, 1, 2, 3]
    assert times(receiver) == pytest.approx([0, 30, 30, 30], abs=1e-6)


async def test_a_retry_comes_after_the_delay_that_chance_makes_of_its_own(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    chances = [0.5, 0.25, 0.0, 1.0]

    def with_chance(seams: Seams) -> Seams:
        return replace(seams, chance=lambda: chances.pop(0))

    async with running(tmp_path, FakeReceiver({A: statuses(500)}), adapt=with_chance) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 20.0), retry_jitter=Jitter.FULL))
        await daemon.submit(team, 1)
        await trio.sleep(60)
        assert times(daemon.receiver) == pytest.approx([0, 5, 10], abs=1e-6)


async def test_retry_after_holds_back_the_retry_and_a_shorter_one_does_not_shorten(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = asking(429, "20", "1", "-7")
    await choose(daemon, webhook, WebhookOptions(retry_after=True))
    await daemon.submit(team, 1)
    await trio.sleep(60)
    assert times(receiver) == pytest.approx([0, 20, 22, 26], abs=1e-6)


async def test_without_the_option_retry_after_changes_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = asking(503, "20")
    await daemon.submit(team, 1)
    await trio.sleep(60)
    assert times(receiver) == pytest.approx([0, 1], abs=1e-6)


async def test_410_disables_at_once_with_its_own_reason_a_mail_and_a_line(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(410)
    await choose(daemon, webhook, WebhookOptions(disable_on_gone=True))
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    disabled = await daemon.current(webhook)
    assert (disabled.active, disabled.disabled_reason) == (False, DisabledReason.GONE)
    assert await daemon.statuses(webhook) == ["failed", "cancelled"]
    assert [failure.status for mail in daemon.mails for failure in mail.failures] == [410]
    assert [line["reason"] for line in daemon.log_lines("webhook_disabled")] == ["gone"]
    assert len(receiver.arrivals) == 1


async def test_without_the_option_410_is_a_failure_like_others(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(410, 200)
    await daemon.submit(team, 1)
    await trio.sleep(5)
    assert await daemon.statuses(webhook) == ["succeeded"]


async def test_a_shorter_schedule_counts_at_once_for_what_waits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 200)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(50.0,)))
    await daemon.submit(team, 1, 2)
    await trio.sleep(10)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(5.0,)))
    await trio.sleep(60)
    assert [arrival.number for arrival in receiver.at(A)] == [1, 1, 2]
    assert times(receiver) == pytest.approx([0, 15, 15], abs=0.01)


async def test_a_longer_schedule_counts_from_the_next_failure_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 10.0)))
    await daemon.submit(team, 1)
    await trio.sleep(5)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(40.0, 40.0)))
    await trio.sleep(90)
    assert times(receiver) == pytest.approx([0, 10, 50], abs=0.01)


@pytest.mark.parametrize("jump_s", [0, HOUR_S, -24 * HOUR_S])
async def test_after_a_crash_an_own_delay_and_a_retry_after_resume_with_what_is_left(
    tmp_path: Path, jump_s: int, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: asking(503, "40", "0")})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 20.0), retry_after=True))
        await daemon.submit(team, 1)
        await trio.sleep(30)
    daemon.clock.offset_ms += jump_s * 1000
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(200)
        first_s = 30 if jump_s > 0 else 40 if jump_s == 0 else 70
        assert times(receiver) == pytest.approx([0, first_s, first_s + 20], abs=0.01)
        assert await daemon.statuses(webhook) == ["succeeded"]


async def test_the_standard_schedule_is_kept(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=NamedSchedule.STANDARD))
    await daemon.submit(team, 1)
    await trio.sleep(2200)
    assert times(receiver) == pytest.approx([0, 5, 305, 2105], abs=0.5)
