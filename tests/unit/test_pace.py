"""What is known of when the last attempts of webhooks with a pace began (contract "Options of a webhook")."""

import pytest
import trio
from trio.testing import MockClock

from daemon.delivery.pace import Paces


async def test_the_next_attempt_waits_for_the_rest_of_the_space_since_the_last_one_began(
    autojump_clock: MockClock,
) -> None:
    paces = Paces()
    await trio.sleep(1000)
    assert paces.left_s("wh_1", 0.1) == 0
    paces.begun("wh_1")
    await trio.sleep(3)
    assert paces.left_s("wh_1", 0.1) == pytest.approx(7)
    assert paces.left_s("wh_1", 1) == 0
    assert paces.left_s("wh_2", 0.1) == 0


async def test_what_began_elsewhere_is_taken_to_have_begun_when_this_process_began_to_deliver(
    autojump_clock: MockClock,
) -> None:
    paces = Paces()
    assert paces.left_s("wh_1", 0.1) == pytest.approx(10)
    await trio.sleep(60)
    assert paces.left_s("wh_1", 0.1) == 0
    paces.look_anew()
    assert paces.left_s("wh_1", 0.1) == pytest.approx(10)


async def test_what_cannot_count_any_more_is_forgotten(autojump_clock: MockClock) -> None:
    paces = Paces()
    for number in range(1000):
        paces.begun(f"wh_{number}")
        await trio.sleep(1)
    assert len(paces) <= 101
