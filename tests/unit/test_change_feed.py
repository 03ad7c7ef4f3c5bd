"""Who looks on is told, of what they look at, and once for many changes."""

import trio
from trio.testing import MockClock

from daemon.telemetry.change_feed import ChangeFeed, Follower


async def is_told(follower: Follower) -> bool:
    with trio.move_on_after(1):
        return await follower.wait()
    return False


async def test_who_looks_at_a_team_is_told_of_all_its_webhooks_and_of_no_other_team(autojump_clock: MockClock) -> None:
    changes = ChangeFeed()
    with (
        changes.follow("team_1") as team,
        changes.follow("team_1", "wh_1") as webhook,
        changes.follow("team_2") as other,
    ):
        changes.publish("team_1", "wh_2")
        assert [await is_told(one) for one in (team, webhook, other)] == [True, False, False]
        changes.publish("team_1", "wh_1")
        assert [await is_told(one) for one in (team, webhook, other)] == [True, True, False]


async def test_many_changes_are_told_as_one_and_none_is_lost(autojump_clock: MockClock) -> None:
    changes = ChangeFeed()
    with changes.follow("team_1") as follower:
        for _ in range(100):
            changes.publish("team_1", "wh_1")
        assert await is_told(follower)
        assert not await is_told(follower)
        changes.publish("team_1", "wh_1")  # while nobody waits
        assert await is_told(follower)


async def test_who_has_left_is_forgotten(autojump_clock: MockClock) -> None:
    changes = ChangeFeed()
    with trio.CancelScope() as scope, changes.follow("team_1") as follower:
        assert changes.followers == 1
        scope.cancel()
        await follower.wait()
    assert changes.followers == 0
    changes.publish("team_1", "wh_1")


async def test_when_the_daemon_stops_all_are_let_go_and_who_comes_later_too(autojump_clock: MockClock) -> None:
    changes = ChangeFeed()
    with changes.follow("team_1") as early:
        changes.close()
        assert await early.wait() is False
    with changes.follow("team_1") as late:
        assert await late.wait() is False
