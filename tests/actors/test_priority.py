"""Events of low priority, exact in virtual time (contract "Terms of an event")."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.model import DeliveryStatus, Team, Webhook
from daemon.domain.webhook_options import WebhookOptions
from tests.actors.receivers import A, slow
from tests.actors.test_bulk_jobs import start
from tests.actors.test_metrics import value
from tests.actors.test_stepping_aside import ASIDE, choose, failing, sent
from tests.support.daemon import FakeReceiver, RunningDaemon, running

pytestmark = pytest.mark.usefixtures("each_engine")

LOW = DeliveryTerms(low=True)


def numbers(receiver: FakeReceiver) -> list[int]:
    return [number for number, _ in sent(receiver)]


async def test_one_of_low_priority_goes_behind_all_that_are_pending_and_in_order_among_its_like(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(1)
    await daemon.submit(team, 1)
    await daemon.submit_on(team, LOW, 2, 3, 4)
    await daemon.submit(team, 5, 6)
    await trio.sleep(3.5)
    assert numbers(receiver) == [1, 5, 6, 2]
    await daemon.submit(team, 7)
    await daemon.submit_on(team, LOW, 8)
    await trio.sleep(20)
    assert numbers(receiver) == [1, 5, 6, 2, 7, 3, 4, 8]
    assert await daemon.statuses(webhook) == ["succeeded"] * 8


async def test_alone_it_is_delivered_at_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, LOW, 1)
    await trio.sleep(1)
    assert sent(receiver) == [(1, 0)]


async def test_a_large_backlog_of_low_priority_holds_up_no_other_and_comes_whole_and_in_order(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(0.1)
    low = list(range(160))
    for place in range(0, 160, 80):
        await daemon.submit_on(team, LOW, *low[place : place + 80])
    for number in range(1000, 1010):
        await trio.sleep(1)
        await daemon.submit(team, number)
    await trio.sleep(60)
    others = [arrival for arrival in receiver.at(A) if arrival.number >= 1000]
    assert [round(one.at - place) for place, one in enumerate(others, 1)] == [0] * 10
    assert [number for number in numbers(receiver) if number < 1000] == low


async def test_a_large_backlog_of_others_goes_first(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, LOW, *range(100))
    await daemon.submit(team, *range(1000, 1150))
    await daemon.submit_on(team, LOW, *range(100, 200))
    await daemon.change(webhook, paused=False)
    await trio.sleep(60)
    assert numbers(receiver) == [*range(1000, 1150), *range(200)]


async def test_once_begun_it_holds_the_order_while_it_is_retried(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0,)))
    await daemon.submit_on(team, LOW, 1)
    await trio.sleep(1)
    await daemon.submit(team, 2)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (1, 10), (2, 10)]


async def test_one_that_stepped_aside_goes_behind_the_others_again(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    fails = failing(n1=1)
    receiver.answers[A] = fails
    await choose(daemon, webhook, ASIDE)
    await daemon.submit_on(team, LOW, 1)
    await trio.sleep(9.5)
    receiver.answers[A] = slow(1)
    await daemon.submit(team, 2, 3)
    await trio.sleep(60)
    assert numbers(receiver) == [1, 2, 3, 1]
    assert await daemon.statuses(webhook) == ["succeeded"] * 3


async def test_one_for_later_goes_behind_the_others_when_its_time_has_come(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(1)
    await daemon.submit_on(team, DeliveryTerms(deliver_at=daemon.clock() + 10_000, low=True), 1)
    await trio.sleep(9.5)
    await daemon.submit(team, 2, 3)
    await trio.sleep(60)
    assert numbers(receiver) == [2, 3, 1]


async def test_one_that_expires_behind_the_others_is_cancelled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(5)
    await daemon.submit(team, 1, 2)
    await daemon.submit_on(team, DeliveryTerms(expires_at=daemon.clock() + 7_000, low=True), 3)
    await trio.sleep(60)
    assert numbers(receiver) == [1, 2]
    assert await daemon.statuses(webhook) == ["succeeded", "succeeded", "cancelled"]


@pytest.mark.parametrize("how", ["delete", "disable", "job"])
async def test_it_can_be_cancelled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, how: str, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(5)
    await daemon.submit(team, 1)
    await daemon.submit_on(team, LOW, 2, 3)
    await trio.sleep(1)
    if how == "job":
        await start(daemon, team, "cancel", webhook_id=webhook.id, statuses=(DeliveryStatus.PENDING,))
    elif how == "delete":
        await daemon.parts.webhooks.delete(webhook.id)
    else:
        await daemon.change(webhook, active=False)
    await trio.sleep(60)
    assert numbers(receiver) == [1]
    assert await daemon.statuses(webhook) == ["succeeded", "cancelled", "cancelled"]


async def test_after_a_crash_it_still_goes_behind_the_others(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver({A: slow(1)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.change(webhook, paused=True)
        await daemon.submit_on(team, LOW, 1, 2)
        await daemon.submit(team, 3)
        await daemon.change(webhook, paused=False)
        await trio.sleep(0.5)
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(60)
        assert numbers(receiver) == [3, 3, 1, 2]
        assert await daemon.statuses(webhook) == ["succeeded"] * 3


async def test_a_webhook_with_nothing_else_is_woken_at_the_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.change(webhook, paused=True)
        await daemon.submit_on(team, LOW, *range(50))
        await daemon.change(webhook, paused=False)
    async with running(tmp_path, receiver, daemon.clock):
        await trio.sleep(5)
        assert sorted(set(numbers(receiver))) == list(range(50))


async def test_those_of_a_large_submission_go_behind_the_others_too(
    small_pieces: None,
    daemon: RunningDaemon,
    team: Team,
    webhooks: list[Webhook],
    receiver: FakeReceiver,
    autojump_clock: MockClock,
) -> None:
    for webhook in webhooks:
        await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, LOW, 1)
    await trio.sleep(5)
    await daemon.submit(team, 2)
    await trio.sleep(5)
    for webhook in webhooks:
        await daemon.change(webhook, paused=False)
    await trio.sleep(5)
    for webhook in webhooks:
        assert [arrival.number for arrival in receiver.at(webhook.url)] == [2, 1]


async def test_what_is_of_low_priority_is_part_of_the_backlog(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, LOW, 1, 2)
    await daemon.submit(team, 3)
    await trio.sleep(30)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 3


async def test_what_is_queued_again_has_normal_priority(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit_on(team, LOW, 1)
    await trio.sleep(1)
    await daemon.change(webhook, paused=True)
    await daemon.submit_on(team, LOW, 2)
    [first, _] = await daemon.deliveries(webhook)
    await daemon.parts.replays.resend(first.id)
    await daemon.change(webhook, paused=False)
    await trio.sleep(5)
    assert numbers(receiver) == [1, 1, 2]
