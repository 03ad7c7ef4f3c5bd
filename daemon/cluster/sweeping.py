"""Finds each second which webhooks have new deliveries that no notice told of (architecture "Nodes").

A sweep looks at what is behind a number. That number may only rise to one below which nothing can appear any more:
numbers are taken in the middle of a transaction, and what it wrote appears when it commits. So each sweep is kept as a
mark: how far it saw, and the id `next` that transactions after it begin with. Once the oldest one that runs is not
below it, every transaction that could hold a number up to that mark has ended, and later sweeps begin behind it.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Collection

import trio
from structlog.typing import FilteringBoundLogger

from daemon.domain.errors import StoreUnavailable
from daemon.store.nodes import Sweep

SWEEP_EVERY_S = 1.0
# Behind all numbers: the first sweep only tells where the others begin.
_NOTHING_YET = 2**62
# What may have been under way at the first sweep.
_FIRST_REACH = 50_000
# A transaction that holds numbers for longer than so many sweeps is found by whoever claims the shard next.
_MOST_MARKS = 600


class Sweeping:
    """`look(behind_seq)` makes a sweep, `found(webhook_ids)` is told of what is in it; `behind_seq` is where the next
    one begins.
    """

    def __init__(
        self,
        look: Callable[[int], Awaitable[Sweep]],
        found: Callable[[Collection[str]], object],
        log: FilteringBoundLogger,
    ) -> None:
        self._look = look
        self._found = found
        self.behind_seq = _NOTHING_YET
        self._marks: deque[tuple[int, int]] = deque(maxlen=_MOST_MARKS)
        self._log = log

    async def run(self) -> None:
        """Sweep each second until cancelled."""
        while True:
            try:
                self.note(await self._look(self.behind_seq))
            except StoreUnavailable as error:
                self._log.warning("sweep_failed", error=str(error))
            await trio.sleep(SWEEP_EVERY_S)

    def note(self, sweep: Sweep) -> None:
        """Pass on what a sweep found, and begin the next one where it may begin."""
        if self.behind_seq == _NOTHING_YET:
            self.behind_seq = max(0, sweep.last_seq - _FIRST_REACH)
            return
        self._found(sweep.webhook_ids)
        self._marks.append((sweep.next, sweep.last_seq))
        while self._marks and self._marks[0][0] <= sweep.oldest:
            _, self.behind_seq = self._marks.popleft()
