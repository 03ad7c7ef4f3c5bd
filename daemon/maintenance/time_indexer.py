"""The time indexer, an actor: builds time blocks of events and deliveries (`daemon.store.reads.time_blocks`)."""

from functools import partial

import trio

from daemon.store.reads.time_blocks import TIMES, next_time_block
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

INTERVAL_S = 600
# A database of a version without blocks needs thousands of them: other work goes first.
_REST_S = 0.01


class TimeIndexer:
    """Builds blocks of new rows, every ten minutes."""

    def __init__(self, *, store: Store, telemetry: Telemetry) -> None:
        self._store = store
        self._log = telemetry.log

    async def run(self) -> None:
        """Build blocks until cancelled."""
        while True:
            for table_name in TIMES:
                await self._build_blocks(table_name)
            await trio.sleep(INTERVAL_S)

    async def _build_blocks(self, table_name: str) -> None:
        while True:
            block = await retry_until_available(
                partial(self._store.reader.fetch, next_time_block, table_name), self._log
            )
            if block is None:
                return
            await retry_until_available(partial(self._store.writer.execute, block), self._log)
            await trio.sleep(_REST_S)
