"""Webhooks that take so many deliveries a second, exact in virtual time (contract "Options of a webhook")."""

from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import Team, Webhook
from daemon.domain.webhook_options import WebhookOptions
from tests.actors.receivers import A, B, slow
from tests.actors.test_metrics import value
from tests.support.daemon import FakeReceiver, RunningDaemon, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")


async def pace(daemon: RunningDaemon, webhook: Webhook, per_second: float | None) -> None:
    options = WebhookOptions(max_per_second=per_second)
    edit = WebhookEdit(options=options, changed_options=("max_per_second",))
    await daemon.parts.webhooks.change(webhook.id, edit)


def times(receiver: FakeReceiver) -> list[float]:
    return [arrival.at for arrival in receiver.at(A)]


def spaces(receiver: FakeReceiver) -> list[float]:
    at = times(receiver)
    return [after - before for before, after in pairwise(at)]


@pytest.mark.parametrize("per_second", [4, 0.2])
async def test_attempts_begin_evenly_spaced_and_in_order(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    per_second: float,
    autojump_clock: MockClock,
) -> None:
    await pace(daemon, webhook, per_second)
    await daemon.submit(team, *range(5))
    await trio.sleep(40)
    assert [arrival.number for arrival in receiver.at(A)] == list(range(5))
    assert spaces(receiver) == pytest.approx([1 / per_second] * 4, abs=0.01)


async def test_spaces_are_from_begin_to_begin_and_nothing_is_saved_up(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(0.75)
    await pace(daemon, webhook, 1)
    await daemon.submit(team, 1, 2)
    await trio.sleep(30)
    await daemon.submit(team, 3, 4, 5)
    await trio.sleep(10)
    assert spaces(receiver)[0] == pytest.approx(1, abs=0.01)
    assert spaces(receiver)[2:] == pytest.approx([1, 1], abs=0.01)


async def test_retries_count(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 200)
    await pace(daemon, webhook, 0.2)
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    assert [arrival.number for arrival in receiver.at(A)] == [1, 1, 1, 2]
    assert spaces(receiver) == pytest.approx([5, 5, 5], abs=0.01)


@pytest.mark.settings(delivery={"idle_actor_s": 2, "idle_connection_s": 1})
async def test_the_end_of_an_idle_actor_makes_no_burst(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await pace(daemon, webhook, 0.05)
    await trio.sleep(30)
    await daemon.submit(team, 1)
    await trio.sleep(10)
    assert daemon.parts.fleet.alive == 0
    await daemon.submit(team, 2, 3)
    await trio.sleep(60)
    assert spaces(receiver) == pytest.approx([20, 20], abs=0.01)


async def test_a_restart_makes_no_burst(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await pace(daemon, webhook, 0.1)
        await daemon.submit(team, *range(4))
        await trio.sleep(15)
    for _ in range(3):
        async with running(tmp_path, receiver, daemon.clock):
            await trio.sleep(4)
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await trio.sleep(60)
        assert [arrival.number for arrival in receiver.at(A)] == list(range(4))
        assert min(spaces(receiver)) >= 9.99


async def test_a_pace_counts_from_its_change_on_and_is_taken_away(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await pace(daemon, webhook, 0.02)
    await daemon.submit(team, *range(6))
    await trio.sleep(60)
    assert len(times(receiver)) == 1
    await pace(daemon, webhook, 1)
    await trio.sleep(2.5)
    assert 3 <= len(times(receiver)) <= 4
    await pace(daemon, webhook, None)
    await trio.sleep(0.1)
    assert [arrival.number for arrival in receiver.at(A)] == list(range(6))


async def test_what_waits_for_its_pace_is_counted_holds_nobody_else_up_and_can_be_paused_and_disabled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    other = await daemon.webhook(team, B)
    await pace(daemon, webhook, 0.01)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    assert value(daemon, "webhooks_waiting_for_pace") == 1
    assert await daemon.statuses(other) == ["succeeded", "succeeded"]
    await daemon.change(webhook, paused=True)
    await trio.sleep(1)
    assert value(daemon, "webhooks_waiting_for_pace") == 0
    await daemon.change(webhook, paused=False)
    await trio.sleep(1)
    assert value(daemon, "webhooks_waiting_for_pace") == 1
    await daemon.change(webhook, active=False)
    assert await daemon.statuses(webhook) == ["cancelled", "cancelled"]
    assert times(receiver) == []


async def test_a_stop_does_not_wait_for_the_pace(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, FakeReceiver()) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await pace(daemon, webhook, 0.01)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        daemon.stop.set()
        with trio.fail_after(1):
            await daemon.stopped.wait()
