"""Deliveries that step aside while they wait for their retry, in virtual time (contract "Options of a webhook")."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import orjson
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DeliveryStatus, Team, Webhook
from daemon.domain.retries import WhileRetrying
from daemon.domain.webhook_options import WebhookOptions
from daemon.store.reads import aside_reads
from tests.actors.receivers import A, slow
from tests.actors.test_bulk_jobs import start
from tests.support.daemon import FakeReceiver, RunningDaemon, make_settings, running

pytestmark = pytest.mark.usefixtures("each_engine")

HOUR_S = 3600
ASIDE = WebhookOptions(while_retrying=WhileRetrying.STEP_ASIDE, retry_schedule=(10.0, 20.0))


async def choose(daemon: RunningDaemon, webhook: Webhook, options: WebhookOptions = ASIDE) -> None:
    """Give the webhook these options about retries."""
    edit = WebhookEdit(options=options, changed_options=("while_retrying", "retry_schedule"))
    await daemon.parts.webhooks.change(webhook.id, edit)


def failing(**times: int) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Answer 503 to event `n1` so many times, or 1000 for ever; to others 200."""
    left = {int(name[1:]): count for name, count in times.items()}

    async def answer(request: httpx.Request) -> httpx.Response:
        number = orjson.loads(await request.aread())["data"]["n"]
        if left.get(number, 0):
            left[number] -= 1
            return httpx.Response(503)
        return httpx.Response(200)

    return answer


def sent(receiver: FakeReceiver) -> list[tuple[int, int]]:
    """Return which events arrived at which second, in order."""
    return [(arrival.number, round(arrival.at)) for arrival in receiver.at(A)]


async def waiting(daemon: RunningDaemon) -> int:
    """Return how many deliveries are kept as waiting aside."""
    found, _ = await daemon.parts.store.reader.fetch(
        aside_reads.due_aside, daemon.clock() + 10**12, aside_reads.FIRST, 1_000
    )
    return len(found)


async def test_the_others_are_delivered_while_one_waits_for_its_retry_which_is_made_when_it_is_due(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=2)
    await choose(daemon, webhook)
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(5)
    [first, *_] = await daemon.deliveries(webhook)
    assert (first.status, first.waits_aside, first.attempts_made) == ("pending", True, 1)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (2, 0), (3, 0), (1, 10), (1, 30)]
    assert await daemon.statuses(webhook) == ["succeeded"] * 3
    assert await waiting(daemon) == 0
    assert await daemon.balance(team) == -6


async def test_by_default_the_others_wait(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=2)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 20.0)))
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (1, 10), (1, 30), (2, 30)]


async def test_one_that_is_due_goes_before_all_that_is_pending_also_what_was_read_ahead(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    fails = failing(n1=1)

    async def slowly(request: httpx.Request) -> httpx.Response:
        await trio.sleep(1)
        return await fails(request)

    receiver.answers[A] = slowly
    await choose(daemon, webhook, WebhookOptions(while_retrying=WhileRetrying.STEP_ASIDE, retry_schedule=(10.5,)))
    await daemon.submit(team, *range(1, 40))
    await trio.sleep(60)
    numbers = [number for number, _ in sent(receiver)]
    assert numbers == [*range(1, 13), 1, *range(13, 40)]


async def test_several_wait_aside_and_each_has_its_own_time(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1, n2=2, n4=1)
    await choose(daemon, webhook)
    await daemon.submit(team, 1, 2)
    await trio.sleep(4)
    await daemon.submit(team, 3, 4)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (2, 0), (3, 4), (4, 4), (1, 10), (2, 10), (4, 14), (2, 30)]
    assert await daemon.statuses(webhook) == ["succeeded"] * 4


async def test_the_counter_counts_failed_deliveries_in_the_order_in_which_they_end(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=9, n2=9, n3=9, n4=9)
    await choose(daemon, webhook)
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(31)
    assert (await daemon.current(webhook)).consecutive_failures == 3
    await daemon.submit(team, 4, 5)
    await trio.sleep(31)
    assert (await daemon.current(webhook)).consecutive_failures == 1  # the success of 5 came between
    assert await daemon.statuses(webhook) == ["failed"] * 4 + ["succeeded"]


async def test_a_disabling_cancels_what_waits_aside(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=9, n2=9, n3=9, n4=9, n5=9)
    await choose(daemon, webhook)
    await daemon.submit(team, 1, 2, 3, 4)
    await trio.sleep(25)
    await daemon.submit(team, 5)
    await trio.sleep(60)
    assert not (await daemon.current(webhook)).active
    assert await daemon.statuses(webhook) == ["failed"] * 4 + ["cancelled"]
    assert await waiting(daemon) == 0
    assert len(daemon.mails) == 1


@pytest.mark.parametrize("how", ["delete", "disable", "job"])
async def test_what_waits_aside_can_be_cancelled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, how: str, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1)
    await choose(daemon, webhook)
    await daemon.submit(team, 1)
    await trio.sleep(5)
    if how == "job":
        await start(daemon, team, "cancel", webhook_id=webhook.id, statuses=(DeliveryStatus.PENDING,))
    elif how == "delete":
        await daemon.parts.webhooks.delete(webhook.id)
    else:
        await daemon.change(webhook, active=False)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0)]
    assert await daemon.statuses(webhook) == ["cancelled"]
    assert await waiting(daemon) == 0


@pytest.mark.settings(credits={"enforce": True})
async def test_one_that_waits_aside_has_no_credits_reserved(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1)
    await choose(daemon, webhook)
    await daemon.grant(team, 2)
    await daemon.submit(team, 1, 2)
    await trio.sleep(30)
    assert await daemon.statuses(webhook) == ["pending", "succeeded"]
    await daemon.grant(team, 2)
    await trio.sleep(1)
    assert sent(receiver) == [(1, 0), (2, 0), (1, 30)]
    assert await daemon.balance(team) == 0


async def test_a_pause_leaves_it_aside_and_it_goes_first_when_its_time_came_meanwhile(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1, n2=1)
    await choose(daemon, webhook)
    await daemon.submit(team, 1)
    await trio.sleep(5)
    await daemon.submit(team, 2)
    await trio.sleep(1)
    await daemon.change(webhook, paused=True)
    await daemon.submit(team, 3)
    await trio.sleep(6)
    await daemon.change(webhook, paused=False)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (2, 5), (1, 12), (3, 12), (2, 15)]


async def test_the_choice_counts_at_once_for_the_one_that_is_waited_for(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 20.0)))
    await daemon.submit(team, 1, 2)
    await trio.sleep(4)
    await choose(daemon, webhook)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (2, 4), (1, 10)]


async def test_what_has_stepped_aside_stays_there_until_its_time_when_the_choice_is_taken_back(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=2)
    await choose(daemon, webhook)
    await daemon.submit(team, 1)
    await trio.sleep(4)
    await choose(daemon, webhook, WebhookOptions(retry_schedule=(10.0, 20.0)))
    await daemon.submit(team, 2)
    await trio.sleep(7)
    await daemon.submit(team, 3)
    await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (2, 4), (1, 10), (1, 30), (3, 30)]


@pytest.mark.parametrize("jump_s", [0, HOUR_S, -24 * HOUR_S])
async def test_after_a_crash_it_waits_for_what_is_left_whatever_the_clock_says(
    tmp_path: Path, jump_s: int, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: failing(n1=1)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await choose(daemon, webhook)
        await daemon.submit(team, 1)
        await trio.sleep(4)
    daemon.clock.offset_ms += jump_s * 1000
    async with running(tmp_path, receiver, daemon.clock) as daemon:
        await daemon.submit(team, 2)
        await trio.sleep(60)
        again_at = 4 if jump_s > 0 else 10 if jump_s == 0 else 14
        assert sorted(sent(receiver)) == [(1, 0), (1, again_at), (2, 4)]
        assert await daemon.statuses(webhook) == ["succeeded"] * 2


async def test_a_clock_that_is_set_back_is_noticed_within_a_minute(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = failing(n1=1)
    await choose(daemon, webhook)
    await daemon.submit(team, 1)
    await trio.sleep(4)
    daemon.clock.offset_ms -= HOUR_S * 1000
    await trio.sleep(120)
    [_, (_, again_at)] = sent(receiver)
    assert 10 < again_at <= 80


async def test_a_stop_leaves_it_for_the_next_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver({A: failing(n1=1)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        await choose(daemon, await daemon.webhook(team, A))
        await daemon.submit(team, 1)
        await trio.sleep(4)
        daemon.stop.set()
        await daemon.stopped.wait()
        assert trio.current_time() == pytest.approx(4, abs=1)
    async with running(tmp_path, receiver, daemon.clock):
        await trio.sleep(60)
    assert sent(receiver) == [(1, 0), (1, 10)]


async def test_what_waits_aside_costs_no_actor_and_no_memory(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver({A: slow(0, 503)})
    settings = make_settings(tmp_path, delivery={"idle_actor_s": 2, "idle_connection_s": 1})
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await choose(daemon, webhook, WebhookOptions(while_retrying=WhileRetrying.STEP_ASIDE, retry_schedule=(HOUR_S,)))
        await daemon.submit(team, *range(100))
        await trio.sleep(60)
        assert await waiting(daemon) == 100
        assert daemon.parts.fleet.alive == 0
        assert len(receiver.arrivals) == 100
