"""The upkeep actor: forgets idempotency keys whose day is over."""

from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.clock import NowMs
from daemon.patience import persist
from daemon.store.accepting import IDEMPOTENCY_WINDOW_MS
from daemon.store.commands import ForgetIdempotencyKeys
from daemon.store.writer import Writer

INTERVAL_S = 600


async def keep_house(writer: Writer, now_ms: NowMs, log: FilteringBoundLogger) -> None:
    """Clean up every ten minutes, until cancelled."""
    while True:
        command = ForgetIdempotencyKeys(now_ms() - IDEMPOTENCY_WINDOW_MS)
        await persist(partial(writer.execute, command), log)
        await trio.sleep(INTERVAL_S)
