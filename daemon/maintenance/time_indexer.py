"""The time indexer, an actor: builds time blocks of events and deliveries (`daemon.store.reads.time_blocks`)."""

from functools import partial

import trio

from daemon.store.reads.time_blocks import TIMES, highest_seq, next_time_block
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

INTERVAL_S = 600
# A database of a version without blocks needs thousands of them: other work goes first.
_REST_S = 0.01


class TimeIndexer:
    """Builds blocks of new rows, every ten minutes.

    With `others`, nodes that add rows side by side, a block waits for the round after: by then every transaction that
    had taken a lower number has ended.
    """

    def __init__(self, *, store: Store, telemetry: Telemetry, others: bool = False) -> None:
        self._store = store
        self._log = telemetry.log
        self._others = others

    async def run(self) -> None:
        """Build blocks until cancelled."""
        seen = dict.fromkeys(TIMES, 0)
        while True:
            highest = await self._highest_seqs()
            for table_name in TIMES:
                await self._build_blocks(table_name, seen[table_name] if self._others else None)
            seen = highest
            await trio.sleep(INTERVAL_S)

    async def _highest_seqs(self) -> dict[str, int]:
        read = self._store.reader.fetch
        return {
            table_name: await retry_until_available(partial(read, highest_seq, table_name), self._log)
            for table_name in TIMES
        }

    async def _build_blocks(self, table_name: str, through_seq: int | None) -> None:
        while True:
            block = await retry_until_available(
                partial(self._store.reader.fetch, next_time_block, table_name, through_seq), self._log
            )
            if block is None:
                return
            await retry_until_available(partial(self._store.writer.execute, block), self._log)
            await trio.sleep(_REST_S)
