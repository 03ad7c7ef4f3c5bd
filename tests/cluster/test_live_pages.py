"""Live pages in virtual time: what is watched on one node shows what changes on another."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from daemon.cluster.caller import Caller, items_of
from daemon.cluster.live_pages import LivePages
from daemon.store import channels
from daemon.telemetry.change_feed import ChangeFeed
from tests.support.telemetry import make_telemetry


class Pages:
    """The live pages of one node; what it calls out goes to `others`."""

    def __init__(self) -> None:
        self.changes = ChangeFeed()
        self.caller = Caller(self._notify, make_telemetry().log)
        self.live = LivePages(self.changes, self.caller)
        self.changes.pass_on = self.live.published
        self.others: list[Pages] = []
        self.told: list[str] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.caller.run)
            nursery.start_soon(self.live.run)

    async def _notify(self, notices: Sequence[tuple[str, str]]) -> None:
        await trio.lowlevel.checkpoint()
        for channel, payload in notices:
            self.told.append(channel)
            for other in self.others:
                heard = {channels.WATCHED: other.live.watched, channels.LIVE: other.live.changed}[channel]
                heard(items_of(payload))


def pair(nursery: trio.Nursery) -> tuple[Pages, Pages]:
    first, second = Pages(), Pages()
    first.others, second.others = [second], [first]
    for pages in (first, second):
        nursery.start_soon(pages.run)
    return first, second


async def test_a_page_shows_what_another_node_delivers(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    showing, delivering = pair(nursery)
    with showing.changes.follow("team_1", "wh_1") as follower:
        await trio.sleep(2)
        delivering.changes.publish("team_1", "wh_1")
        with trio.fail_after(1):
            assert await follower.wait()


async def test_nothing_is_told_of_a_team_that_nobody_watches(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    showing, delivering = pair(nursery)
    with showing.changes.follow("team_1"):
        await trio.sleep(2)
    await trio.sleep(5)
    delivering.told.clear()
    delivering.changes.publish("team_1", "wh_1")
    await trio.sleep(2)
    assert channels.LIVE not in delivering.told


async def test_many_changes_are_told_a_few_times_a_second(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    showing, delivering = pair(nursery)
    with showing.changes.follow("team_1"):
        await trio.sleep(2)
        for _ in range(1_000):
            delivering.changes.publish("team_1", "wh_1")
            await trio.sleep(0.001)
        await trio.sleep(1)
    assert delivering.told.count(channels.LIVE) <= 6
