"""How late the event loop is: what blocks it keeps everyone waiting."""

import trio
from prometheus_client import Histogram

from daemon.telemetry.peak import Peak

_EVERY_S = 0.5


async def watch_loop_lag(lag_seconds: Histogram, longest: Peak) -> None:
    """Observe twice a second by how much a timer was late, until cancelled."""
    while True:
        due = trio.current_time() + _EVERY_S
        await trio.sleep(_EVERY_S)
        late_s = trio.current_time() - due
        lag_seconds.observe(late_s)
        longest.observe(late_s)
