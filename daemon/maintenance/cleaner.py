"""The cleaner, an actor: deletes expired idempotency keys, old hourly counts, and old events and mails."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from daemon.actors.pacing import rest_after
from daemon.domain.clock import DAY_MS, Clock
from daemon.domain.trusted_time import TrustedTime
from daemon.store.commands import Command
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.store.upkeep_commands import (
    PruneEvents,
    PruneIdempotencyKeys,
    PruneMails,
    PruneWebhookHours,
    ReadTrustedTime,
    ReleaseSpace,
    SaveTrustedTime,
)
from daemon.store.writes.counters import hours_kept_ms
from daemon.store.writes.idempotency import IDEMPOTENCY_WINDOW_MS
from daemon.telemetry.telemetry import Telemetry

INTERVAL_S = 600
# Batches that take a few milliseconds: other writes do not wait long.
_HOURS_AT_ONCE = 2_000
_KEYS_AT_ONCE = 500
_MAILS_AT_ONCE = 500
_EVENTS_AT_ONCE = 50
# The share of the store's time that pruning may take.
_SHARE = 0.2
_SHORTEST_REST_S = 0.02
# New rows reuse free pages: only a large surplus goes back to the file system.
_FREE_PAGES_LEFT, _PART_LEFT = 4_096, 10
_PAGES_AT_ONCE = 64

Answer = TypeVar("Answer")


class Cleaner:
    """Deletes old data. `retention_days()` returns for how many days events are kept; 0 means for ever.

    `also` are commands that forget something else, each repeated until it finds nothing more.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        retention_days: Callable[[], int],
        also: Sequence[Command[int]] = (),
    ) -> None:
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._retention_days = retention_days
        self._also = also

    async def run(self) -> None:
        """Clean up every ten minutes, until cancelled, unless the clock has jumped ahead within the last hour."""
        trusted = TrustedTime(await self._execute(ReadTrustedTime()))
        has_warned = False
        while True:
            now = self._now_ms()
            if trusted.accept(now, trio.current_time()):
                has_warned = False
                await self._execute(SaveTrustedTime(now))
                await self._prune(now)
            elif not has_warned:
                has_warned = True
                self._log.warning("clock_implausible", seconds=(now - (trusted.last_ms or 0)) // 1000)
            await trio.sleep(INTERVAL_S)

    async def _prune(self, now: int) -> None:
        await self._prune_idempotency_keys(now - IDEMPOTENCY_WINDOW_MS)
        await self._prune_webhook_hours(now - hours_kept_ms(self._retention_days()))
        for command in self._also:
            while await self._execute_and_rest(command):
                pass
        if days := self._retention_days():
            await self._prune_events(now - days * DAY_MS)

    async def _prune_idempotency_keys(self, before: int) -> None:
        command = PruneIdempotencyKeys(before, _KEYS_AT_ONCE)
        while await self._execute_and_rest(command) == _KEYS_AT_ONCE:
            pass

    async def _prune_mails(self, before: int) -> None:
        after_seq: int | None = 0
        while after_seq is not None:
            after_seq = await self._execute_and_rest(PruneMails(before, after_seq, _MAILS_AT_ONCE))

    async def _prune_webhook_hours(self, before: int) -> None:
        command = PruneWebhookHours(before, _HOURS_AT_ONCE)
        while await self._execute_and_rest(command) == _HOURS_AT_ONCE:
            pass

    async def _prune_events(self, before: int) -> None:
        """Delete old events whose deliveries have ended, in batches, and give surplus space back."""
        events = deliveries = 0
        after_seq: int | None = 0
        while after_seq is not None:
            pruned = await self._execute_and_rest(PruneEvents(before, after_seq, _EVENTS_AT_ONCE))
            events, deliveries = events + pruned.events, deliveries + pruned.deliveries
            after_seq = pruned.next_after_seq
        await self._prune_mails(before)
        while await self._execute_and_rest(ReleaseSpace(_FREE_PAGES_LEFT, _PART_LEFT, _PAGES_AT_ONCE)):
            pass
        if events:
            self._log.info("events_pruned", count=events, deliveries=deliveries)

    async def _execute_and_rest(self, command: Command[Answer]) -> Answer:
        began_at = trio.current_time()
        answer = await self._execute(command)
        await rest_after(began_at, share=_SHARE, at_least_s=_SHORTEST_REST_S)
        return answer

    async def _execute(self, command: Command[Answer]) -> Answer:
        return await retry_until_available(partial(self._writer.execute, command), self._log)
