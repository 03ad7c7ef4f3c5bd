"""Opening the store at the start, patiently: a database server may come up after this process."""

from collections.abc import Awaitable, Callable

import trio
from structlog.typing import FilteringBoundLogger

from daemon.config.settings import ConfigError
from daemon.maintenance.opened_store import OpenedStore
from daemon.store.engine import DatabaseAway, DatabaseRefused
from daemon.store.progress import Progress
from daemon.systemd.notify import extend_start, find_service_manager

_PATIENCE_S = 30.0
_FIRST_WAIT_S, _LAST_WAIT_S = 0.1, 3.0

Open = Callable[[Progress], Awaitable[OpenedStore]]


async def open_patiently(open_store: Open, log: FilteringBoundLogger) -> OpenedStore:
    """Call `open_store` until it does not raise DatabaseAway, for about 30 s, and return the store.

    Meanwhile the service manager is told that the start is getting on. Raises ConfigError and DatabaseRefused.
    """
    progress, opened = Progress(), list[OpenedStore | ConfigError | DatabaseRefused]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(extend_start, find_service_manager(), lambda: progress.done)
        try:
            opened.append(await _open(open_store, progress, log))
        except (ConfigError, DatabaseRefused) as refusal:  # out of the nursery it would come in a group
            opened.append(refusal)
        nursery.cancel_scope.cancel()
    [result] = opened
    if isinstance(result, Exception):
        raise result
    return result


async def _open(open_store: Open, progress: Progress, log: FilteringBoundLogger) -> OpenedStore:
    wait_s, started = _FIRST_WAIT_S, trio.current_time()
    while True:
        try:
            opened = await open_store(progress)
        except DatabaseAway as away:
            if trio.current_time() + wait_s > started + _PATIENCE_S:
                raise
            log.error("store_unavailable", error=str(away), retryInMs=round(wait_s * 1000))
        else:
            if wait_s > _FIRST_WAIT_S:
                log.info("store_recovered", durationMs=round((trio.current_time() - started) * 1000))
            return opened
        progress.note()
        await find_service_manager().status("Waiting for the database")
        await trio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LAST_WAIT_S)
