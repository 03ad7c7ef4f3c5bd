"""Keeps what this node has in memory in step with what other nodes change (architecture "Nodes").

The database counts these changes. `version` is how far this node has followed; a submission is accepted only if it
was matched with the newest one (`MatchedTooEarly`), so that what was registered at one node gets what is submitted to
another afterwards. What this node changed itself comes once more: to apply a change twice is harmless, for each is
read as it is then. What is read may be older than what this node has written meanwhile; but then there is a newer
version, and the next round brings it.
"""

from collections.abc import Awaitable, Callable

import trio
from structlog.typing import FilteringBoundLogger

from daemon.domain.errors import StoreUnavailable
from daemon.store.nodes import News

_LOOK_EVERY_S = 1.0


class FeedGap(Exception):
    """What has changed since is no longer known: only a new start reads everything."""


class Feed:
    """`read(since)` returns what is new, `apply(news)` puts it into memory. `version` is that of what is in memory."""

    def __init__(
        self,
        version: int,
        read: Callable[[int], Awaitable[News]],
        apply: Callable[[News], None],
        *,
        log: FilteringBoundLogger,
    ) -> None:
        self.version = version
        self._read = read
        self._apply = apply
        self._log = log
        self._wake = trio.Event()
        self._begun = 0
        self._done = 0
        self._running = False
        self._round_over = trio.lowlevel.ParkingLot()

    def wake(self) -> None:
        """Look soon: something has changed. Never blocks."""
        self._wake.set()

    async def catch_up(self) -> None:
        """Wait until memory has all that was committed before this call. Raises StoreUnavailable, FeedGap.

        However many wait, one round begins after another: a round that began before the call does not count.
        """
        wanted = self._begun + 1
        while self._done < wanted:
            if self._running:
                await self._round_over.park()
            else:
                await self._round()

    async def run(self) -> None:
        """Follow the changes until cancelled: at once when told of one, and each second."""
        while True:
            with trio.move_on_after(_LOOK_EVERY_S):
                await self._wake.wait()
            self._wake = trio.Event()
            try:
                await self.catch_up()
            except StoreUnavailable as error:
                self._log.warning("feed_failed", error=str(error))

    async def _round(self) -> None:
        self._begun, self._running = self._begun + 1, True
        try:
            while await self._follow():
                pass
            self._done = self._begun
        finally:
            self._running = False
            self._round_over.unpark_all()

    async def _follow(self) -> bool:
        """Apply what is new; return whether there was something. Raises FeedGap."""
        news = await self._read(self.version)
        if not news.is_complete:
            raise FeedGap("this node was away for so long that it no longer knows what has changed")
        self._apply(news)
        is_new, self.version = news.version > self.version, news.version
        return is_new
