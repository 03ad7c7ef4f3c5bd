"""The cancelling actor: cancels, page by page, what was left pending when webhooks were disabled or deleted."""

from collections.abc import Callable, Iterable
from functools import partial

import trio

from daemon.actors.pacing import rest_after
from daemon.delivery.reporting import DeliveryLog
from daemon.store.cancel_commands import CancelNext
from daemon.store.retry import retry_until_available
from daemon.store.store import Store

# The rest of the time, the store is free for others.
_SHARE = 0.5


class Canceller:
    """What is left is in the database: a restart resumes it, and webhooks take turns."""

    def __init__(self, *, store: Store, log: DeliveryLog) -> None:
        self._writer = store.writer
        self._log = log
        self._wake = trio.Event()

    def wake(self) -> None:
        """Look for something to cancel."""
        self._wake.set()

    async def run(self, wake_actors: Callable[[Iterable[str]], None]) -> None:
        """Cancel whatever is left, until cancelled.

        Where several deliveries of a webhook were spared, since they were in flight, its actor does not find them in
        the database before the end: it is woken then.
        """
        after_seq = 0
        while True:
            self._wake = trio.Event()
            began_at = trio.current_time()
            page = await retry_until_available(partial(self._writer.execute, CancelNext(after_seq)), self._log.log)
            if page is None:
                await self._wake.wait()
            else:
                after_seq = page.cancellation_seq
                self._log.page_cancelled(page)
                if page.spared_some and page.total is not None:
                    wake_actors([page.webhook_id])
                await rest_after(began_at, share=_SHARE)
