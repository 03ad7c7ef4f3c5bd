"""The upkeep actor: forgets idempotency keys whose day is over, and the counts of hours that no page shows any more."""

from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.clock import NowMs
from daemon.patience import persist
from daemon.store.accepting import IDEMPOTENCY_WINDOW_MS
from daemon.store.commands import ForgetIdempotencyKeys, ForgetWebhookHours
from daemon.store.tallying import WEBHOOK_HOURS_KEPT_MS
from daemon.store.writer import Writer

INTERVAL_S = 600
# So many are deleted in some milliseconds: nobody waits for long behind it.
_HOURS_AT_ONCE = 2_000


async def keep_house(writer: Writer, now_ms: NowMs, log: FilteringBoundLogger) -> None:
    """Clean up every ten minutes, until cancelled."""
    while True:
        now = now_ms()
        await persist(partial(writer.execute, ForgetIdempotencyKeys(now - IDEMPOTENCY_WINDOW_MS)), log)
        await _forget_webhook_hours(writer, now - WEBHOOK_HOURS_KEPT_MS, log)
        await trio.sleep(INTERVAL_S)


async def _forget_webhook_hours(writer: Writer, before: int, log: FilteringBoundLogger) -> None:
    command = ForgetWebhookHours(before, _HOURS_AT_ONCE)
    while await persist(partial(writer.execute, command), log) == _HOURS_AT_ONCE:
        pass
