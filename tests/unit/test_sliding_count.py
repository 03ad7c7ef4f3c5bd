"""How much there was in the last minute."""

import trio
from trio.testing import MockClock

from daemon.telemetry.sliding_count import SlidingCount


async def test_the_last_minute_is_counted_and_older_is_forgotten_second_by_second(autojump_clock: MockClock) -> None:
    count = SlidingCount()
    for _ in range(100):
        count.count(2)
        await trio.sleep(1)
    assert count.last_minute == 118, "the second that has just begun has none yet"
    await trio.sleep(30)
    assert count.last_minute == 58
    await trio.sleep(30)
    assert count.last_minute == 0


async def test_after_a_long_silence_counting_begins_anew(autojump_clock: MockClock) -> None:
    count = SlidingCount()
    count.count(5)
    await trio.sleep(86_400)
    assert count.last_minute == 0
    count.count(3)
    await trio.sleep(59)
    assert count.last_minute == 3
    await trio.sleep(1)
    assert count.last_minute == 0
