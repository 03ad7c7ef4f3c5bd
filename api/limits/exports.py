"""How many exports run at once, and how much of the store's time they take together (contract "HTTP API")."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import TypeVar

import trio

MOST_EXPORTS = 20
MOST_OF_ONE_KEY = 3
# The share of the store's time that all of them may take together.
_SHARE = 0.5

Result = TypeVar("Result")


class Exports:
    """What all exports share: room for some of them, and one turn to read."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._turn = trio.Lock()
        self._rested_at = -inf

    def is_full(self, key_id: str) -> bool:
        """Whether there is no room for one more export of this key."""
        return self._running.total() >= MOST_EXPORTS or self._running[key_id] >= MOST_OF_ONE_KEY

    def begin(self, key_id: str) -> Callable[[], None]:
        """Count an export of this key, until what is returned is called, once."""
        self._running[key_id] += 1
        return partial(self._end, key_id)

    def _end(self, key_id: str) -> None:
        self._running -= Counter({key_id: 1})  # a key with none is forgotten

    async def in_turn(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Return what `read` reads when its turn has come: one at a time, with a rest as long as each took."""
        async with self._turn:
            await trio.sleep_until(self._rested_at)
            began_at = trio.current_time()
            try:
                return await read()
            finally:
                took_s = trio.current_time() - began_at
                self._rested_at = trio.current_time() + took_s * (1 - _SHARE) / _SHARE
