"""When each API key was last used: noted in memory, and kept once a minute."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice

import trio

from daemon.domain.clock import Clock
from daemon.store.commands import SaveKeyUses
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

KEEP_EVERY_S = 60
_AT_ONCE = 500


class KeyUses:
    """An actor. What was noted since it last kept something is lost when the daemon ends."""

    def __init__(self, *, store: Store, clock: Clock, telemetry: Telemetry) -> None:
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._used: dict[str, int] = {}
        self._wake = trio.Event()

    def note(self, key_id: str) -> None:
        """Note that a key is used now."""
        self._used[key_id] = self._now_ms()
        self._wake.set()

    async def run(self) -> None:
        """Keep what is noted, until cancelled."""
        while True:
            await self._wake.wait()
            await trio.sleep(KEEP_EVERY_S)
            self._wake = trio.Event()
            used, self._used = self._used, {}
            for some in _parts(used):
                await retry_until_available(partial(self._writer.execute, SaveKeyUses(some)), self._log)


def _parts(used: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    items = iter(used.items())
    while part := dict(islice(items, _AT_ONCE)):
        yield part
