import math

import trio
from prometheus_client import CollectorRegistry, Histogram
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.telemetry.loop_lag import watch_loop_lag
from daemon.telemetry.peak import Peak


async def test_a_loop_that_was_held_up_is_seen_by_how_late_a_timer_was(mock_clock: MockClock) -> None:
    registry = CollectorRegistry()
    longest = Peak()
    lag = Histogram("lag", "Seconds", buckets=(0.1, 1, 10), registry=registry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_loop_lag, lag, longest)
        for seconds in (0.5, 3.5):  # in time, and 3 s late
            await wait_all_tasks_blocked()
            mock_clock.jump(seconds)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert registry.get_sample_value("lag_count") == 2
    assert registry.get_sample_value("lag_bucket", {"le": "0.1"}) == 1
    assert math.isclose(registry.get_sample_value("lag_sum") or 0, 3)
    assert math.isclose(longest.read(), 3)
