"""Wakes the webhooks that have pending deliveries: at a start, and when a node takes over shards."""

from collections.abc import Awaitable, Callable
from functools import partial

from structlog.typing import FilteringBoundLogger

from daemon.delivery.fleet import Fleet
from daemon.store.reads.actor_reads import WithWork
from daemon.store.retry import retry_until_available

_WEBHOOKS_PER_PAGE = 1_000

# Reads which of the next webhooks after an id, at most so many, have pending deliveries.
ReadWithWork = Callable[[str, int], Awaitable[WithWork]]


async def resume(read: ReadWithWork, fleet: Fleet, log: FilteringBoundLogger) -> None:
    """Wake all that `read` finds, page by page."""
    behind: str | None = ""
    while behind is not None:
        page = await retry_until_available(partial(read, behind, _WEBHOOKS_PER_PAGE), log)
        for webhook_id in page.webhook_ids:
            await fleet.resume(webhook_id)
        behind = page.behind
