"""Ends what waits for a server that has fallen silent."""

from collections.abc import Callable

import trio
from structlog.typing import FilteringBoundLogger

_LOOK_EVERY_S = 0.5


async def hang_up_on_silence(hang_up: Callable[[], int], log: FilteringBoundLogger) -> None:
    """Call `hang_up` twice a second, until cancelled; it returns how many connections it ended."""
    while True:
        if count := hang_up():
            log.warning("database_silent", count=count)
        await trio.sleep(_LOOK_EVERY_S)
