"""Calls out to the other nodes, in a task of its own: what is called while a call is under way goes with the next."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import trio
from structlog.typing import FilteringBoundLogger

from daemon.domain.errors import StoreUnavailable

_SEPARATOR = ","
# A notice may have 8,000 bytes.
_LONGEST_PAYLOAD = 7_000
# More would be a list that takes longer to read than looking at the database.
_MOST_WAITING = 20_000
_REST_S = 0.002


class Caller:
    """`notify(notices)` sends pairs of a channel and a payload."""

    def __init__(
        self, notify: Callable[[Sequence[tuple[str, str]]], Awaitable[None]], log: FilteringBoundLogger
    ) -> None:
        self._notify = notify
        self._log = log
        self._waiting: dict[str, dict[str, None]] = {}
        self._wake = trio.Event()

    def call(self, channel: str, items: Iterable[str]) -> None:
        """Tell all nodes about these items, soon. Never blocks. What is too much others find by looking."""
        waiting = self._waiting.setdefault(channel, {})
        for item in items:
            if len(waiting) < _MOST_WAITING:
                waiting[item] = None
        self._wake.set()

    async def run(self) -> None:
        """Call out what comes, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            notices = [(channel, payload) for channel, items in self._take() for payload in payloads(items)]
            if notices:
                try:
                    await self._notify(notices)
                except StoreUnavailable as error:
                    self._log.warning("notices_lost", count=len(notices), error=str(error))
            await trio.sleep(_REST_S)  # so that what comes together is called out together

    def _take(self) -> list[tuple[str, Iterable[str]]]:
        taken, self._waiting = self._waiting, {}
        return [(channel, items) for channel, items in taken.items() if items]


def payloads(items: Iterable[str]) -> Iterator[str]:
    """Yield the items in as many payloads as it takes."""
    payload = ""
    for item in items:
        if payload and len(payload) + len(item) + 1 > _LONGEST_PAYLOAD:
            yield payload
            payload = ""
        payload = f"{payload}{_SEPARATOR}{item}" if payload else item
    if payload:
        yield payload


def items_of(payload: str) -> list[str]:
    """Return the items of a payload."""
    return payload.split(_SEPARATOR)
