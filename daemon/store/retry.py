"""Retrying until the database works again: waits instead of crashing, and logs once that it has recovered."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from structlog.typing import FilteringBoundLogger

from daemon.domain.errors import StoreUnavailable

Result = TypeVar("Result")

_FIRST_WAIT_S = 0.1
_LAST_WAIT_S = 5.0


async def retry_until_available(step: Callable[[], Awaitable[Result]], log: FilteringBoundLogger) -> Result:
    """Run `step` until the store no longer fails, waiting 0.1 s, then twice as long, up to 5 s.

    `step` must be safe to repeat: its first try may have been committed.
    """
    wait_s, started = _FIRST_WAIT_S, trio.current_time()
    while True:
        try:
            result = await step()
            if wait_s > _FIRST_WAIT_S:
                log.info("store_recovered", durationMs=round((trio.current_time() - started) * 1000))
            return result
        except StoreUnavailable as error:
            log.error("store_unavailable", error=str(error), retryInMs=round(wait_s * 1000))
        await trio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LAST_WAIT_S)
