"""A crash in the narrowest place (contract "A delivery")."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.threads import run_inline
from daemon.domain.model import DeliveryStatus
from daemon.seams import Seams
from tests.support.daemon import FakeReceiver, VirtualWallClock, running

Result = TypeVar("Result")
URL = "https://hooks.example.com/in"


async def test_a_crash_between_the_2xx_and_the_commit_sends_it_again_with_the_same_webhook_id(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver, clock = FakeReceiver(), VirtualWallClock()

    async def run_in_thread(work: Callable[[], Result], /) -> Result:
        if receiver.arrivals:
            await trio.sleep_forever()
        return await run_inline(work)

    def never_commits(seams: Seams) -> Seams:
        return replace(seams, run_write=run_in_thread)

    async with running(tmp_path, receiver, clock, adapt=never_commits) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL)
        await daemon.submit(team, 1)
        await wait_all_tasks_blocked()
        assert len(receiver.arrivals) == 1
        [unfinished] = await daemon.deliveries(webhook)
        assert (unfinished.status, unfinished.attempts_made) == (DeliveryStatus.PENDING, 0)
    async with running(tmp_path, receiver, clock) as daemon:
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["succeeded"]
        assert [entry.amount for entry in await daemon.ledger(team)] == [-2]
    first, second = receiver.arrivals
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == unfinished.id
    assert first.headers["x-kakiyo-attempt"] == second.headers["x-kakiyo-attempt"] == "1"
    assert first.body == second.body
