"""The actor that makes time blocks of events and deliveries (`daemon.store.writes.time_blocks`)."""

from dataclasses import dataclass
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.actors.retry import retry_until_available
from daemon.store.reader import Reader
from daemon.store.writer import Writer
from daemon.store.writes.time_blocks import TIMES, next_time_block

INTERVAL_S = 600
# A database from before there were blocks has thousands of them to be made: the others go first.
_REST_S = 0.01


@dataclass(frozen=True, slots=True)
class TimeIndexer:
    """Makes blocks of what has come, every ten minutes."""

    reader: Reader
    writer: Writer
    log: FilteringBoundLogger

    async def run(self) -> None:
        """Make blocks until cancelled."""
        while True:
            for table_name in TIMES:
                await self._make_blocks(table_name)
            await trio.sleep(INTERVAL_S)

    async def _make_blocks(self, table_name: str) -> None:
        while True:
            block = await retry_until_available(partial(self.reader.fetch, next_time_block, table_name), self.log)
            if block is None:
                return
            await retry_until_available(partial(self.writer.execute, block), self.log)
            await trio.sleep(_REST_S)
