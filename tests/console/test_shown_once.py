"""A secret is shown once, to whom it is for, and soon."""

import trio
from trio.testing import MockClock

from api.console.session.shown_once import ShownOnce


async def test_it_is_shown_once_and_to_its_session_and_page_only(autojump_clock: MockClock) -> None:
    shown = ShownOnce()
    shown.keep("mine", "wh_1", "secret")
    assert shown.take("others", "wh_1") is None
    assert shown.take("mine", "wh_2") is None
    assert shown.take("mine", "wh_1") == "secret"
    assert shown.take("mine", "wh_1") is None
    assert "secret" not in repr(shown)


async def test_after_five_minutes_it_is_gone(autojump_clock: MockClock) -> None:
    shown = ShownOnce()
    shown.keep("mine", "wh_1", "secret")
    await trio.sleep(301)
    assert shown.take("mine", "wh_1") is None


async def test_of_very_many_the_oldest_give_way(autojump_clock: MockClock) -> None:
    shown = ShownOnce()
    for number in range(1_001):
        shown.keep("mine", f"wh_{number}", "secret")
    assert shown.take("mine", "wh_0") is None
    assert shown.take("mine", "wh_1000") == "secret"
