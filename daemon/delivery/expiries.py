"""Has deliveries cancelled whose events have expired (contract "Terms of an event")."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import trio

from daemon.domain.clock import Clock
from daemon.domain.errors import DaemonError
from daemon.store.expiry_commands import ForgetExpiries
from daemon.store.reads import expiry_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# Of so many webhooks at once, at most.
_AT_ONCE = 50
_LOOK_AGAIN_MS = 5_000

# Has a webhook's actor cancel deliveries with these numbers, but one in flight. Raises DaemonError.
Expire = Callable[[str, Sequence[int]], Awaitable[object]]


class Expiries:
    """`owns(id)` says which webhooks this process delivers for: it leaves the others to their owners."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, owns: Callable[[str], bool], expire: Expire
    ) -> None:
        self._store = store
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._owns = owns
        self._expire = expire

    async def run_due(self, now: int) -> int | None:
        """Have all cancelled that have expired; return when to come again, None if nothing is to expire.

        What was in flight, or could not be cancelled, is looked at again soon.
        """
        expired = await self._expire_due(now)
        read = partial(self._store.reader.fetch, expiry_reads.next_expiry_at, now)
        next_at = await retry_until_available(read, self._log)
        if not expired:
            return next_at
        again_at = self._now_ms() + _LOOK_AGAIN_MS
        return again_at if next_at is None else min(next_at, again_at)

    async def _expire_due(self, now: int) -> bool:
        place: expiry_reads.Place | None = expiry_reads.FIRST
        expired = False
        while place is not None:
            read = partial(self._store.reader.fetch, expiry_reads.due_expiries, now, place, _AT_ONCE)
            found, place = await retry_until_available(read, self._log)
            over = tuple(one.seq for one in found if not one.is_pending)
            if over:
                await retry_until_available(partial(self._store.writer.execute, ForgetExpiries(over)), self._log)
            seqs = defaultdict[str, list[int]](list)
            for one in found:
                if one.is_pending and self._owns(one.webhook_id):
                    seqs[one.webhook_id].append(one.seq)
            await self._expire_all(seqs)
            expired |= bool(seqs)
        return expired

    async def _expire_all(self, seqs: Mapping[str, Sequence[int]]) -> None:
        async def expire(webhook_id: str) -> None:
            try:
                await self._expire(webhook_id, seqs[webhook_id])
            except DaemonError as error:  # its actor cannot do it now, or the daemon stops
                self._log.warning("expiry_delayed", webhookId=webhook_id, error=str(error))

        async with trio.open_nursery() as nursery:
            for webhook_id in seqs:
                nursery.start_soon(expire, webhook_id)
