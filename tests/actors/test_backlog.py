"""A start with work for many webhooks: they begin a few at a time, and nothing else waits behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from trio.testing import MockClock

from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import Team, Webhook
from tests.actors.receivers import hang
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, VirtualWallClock, running

WEBHOOKS, AT_ONCE = 100, 16
READ_S = 1.0


def urls() -> list[str]:
    return [f"https://{number:03}.example/hook" for number in range(WEBHOOKS)]


async def leave_a_backlog(state_dir: Path, clock: VirtualWallClock) -> tuple[Team, list[Webhook], Webhook]:
    """Leave one pending delivery for each of many webhooks, and return those in the order of their ids.

    Beside them there is one webhook of another team, with none.
    """
    async with running(state_dir, FakeReceiver(dict.fromkeys(urls(), hang)), clock) as daemon:
        team, other = await daemon.team(), await daemon.team()
        webhooks = [await daemon.webhook(team, url) for url in urls()]
        await daemon.submit(team, 0)
        webhooks.sort(key=lambda webhook: webhook.id)  # those created in the same millisecond are in any order
        return other, webhooks, await daemon.webhook(other, "https://last.example/hook")


@asynccontextmanager
async def started_on_a_backlog(
    state_dir: Path,
) -> AsyncIterator[tuple[RunningDaemon, FakeThread, Team, list[Webhook], Webhook]]:
    """Start a daemon whose reads take `READ_S` each, and which is about to look for work."""
    clock, run_read = VirtualWallClock(), FakeThread()
    team, webhooks, resting = await leave_a_backlog(state_dir, clock)
    receiver = FakeReceiver()
    async with running(state_dir, receiver, clock, run_read=run_read) as daemon:
        run_read.begin_s = READ_S
        yield daemon, run_read, team, webhooks, resting


async def test_the_first_webhooks_deliver_while_the_others_wait_to_begin(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with started_on_a_backlog(tmp_path) as (daemon, _, _, webhooks, _):
        await trio.sleep(60)
        begun = [round(arrival.at) for arrival in daemon.receiver.arrivals]
        first = {arrival.url for arrival in daemon.receiver.arrivals[:AT_ONCE]}
        assert len(begun) == WEBHOOKS
        assert begun == [begun[0] + place // AT_ONCE for place in range(WEBHOOKS)]
        assert begun[0] <= 2 * READ_S
        assert first == {webhook.url for webhook in webhooks[:AT_ONCE]}


async def test_a_webhook_with_a_new_event_or_an_edit_does_not_wait_behind_the_others(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with started_on_a_backlog(tmp_path) as (daemon, _, team, webhooks, resting):
        await trio.sleep(READ_S)
        before = daemon.now
        await daemon.submit(team, 7)
        assert daemon.now == before
        changed = await daemon.change(webhooks[-1], url="https://changed.example/hook")
        assert changed is not None
        assert daemon.now - before == 2 * READ_S  # one for the API, one for the actor
        await trio.sleep(0.1)
        assert {resting.url, changed.url} <= {arrival.url for arrival in daemon.receiver.arrivals}
        assert len(daemon.receiver.arrivals) < WEBHOOKS / 2
        await trio.sleep(60)
        assert len(daemon.receiver.arrivals) == WEBHOOKS + 1


async def test_a_stop_drops_the_webhooks_that_have_not_begun(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with started_on_a_backlog(tmp_path) as (daemon, _, _, webhooks, _):
        await trio.sleep(2.5 * READ_S)
        daemon.stop.set()
        before = daemon.now
        await daemon.stopped.wait()
        assert daemon.now - before <= READ_S
        assert 0 < len(daemon.receiver.arrivals) <= 2 * AT_ONCE
        assert await daemon.statuses(webhooks[-1]) == ["pending"]


async def test_a_database_that_cannot_be_read_at_the_start_holds_up_only_deliveries(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with started_on_a_backlog(tmp_path) as (daemon, run_read, team, _, _):
        run_read.begin_s, run_read.error = 0, StoreUnavailable("the database failed")
        await trio.sleep(600)
        await daemon.submit(team, 7)
        assert daemon.log_lines("actor_restarted") == []
        run_read.error = None
        await trio.sleep(10)
        assert len(daemon.receiver.arrivals) == WEBHOOKS + 1
