"""Tasks that are kept in the database and done page by page, such as bulk jobs and erasures.

How far a task is, is in the database: a restart goes on with it, and so does the node that takes over. Tasks take turns
with their pages, and leave others their share of the store.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Generic, Protocol, TypeVar

import trio
from structlog.typing import FilteringBoundLogger

from daemon.actors.pacing import rest_after
from daemon.domain.changes import WebhookChange
from daemon.management.webhook_changer import WebhookChanger, change_each
from daemon.store.commands import ProbeWrite
from daemon.store.retry import retry_until_available
from daemon.store.store import Store

# The rest of the time, the store is free for others.
_SHARE = 0.5
_SHORTEST_REST_S = 0.005
_TRY_AGAIN_S = 1.0
# So often a page is tried while the store works: a webhook whose actor keeps crashing holds nobody up for ever.
_TRIES = 5


class _Placed(Protocol):
    @property
    def seq(self) -> int: ...


Task = TypeVar("Task", bound=_Placed)


class PagedWork(Generic[Task]):
    """`read_next(seq)` reads the next task behind a place, or else the first; None if there is none."""

    def __init__(
        self, *, store: Store, log: FilteringBoundLogger, read_next: Callable[[int], Awaitable[Task | None]]
    ) -> None:
        self._writer = store.writer
        self._log = log
        self._read_next = read_next
        self._tries: Counter[str] = Counter()
        self._wake = trio.Event()

    def wake(self) -> None:
        """Look for tasks: there may be a new one."""
        self._wake.set()

    async def run(self, do_page: Callable[[Task], Awaitable[None]]) -> None:
        """Work on whatever is left, until cancelled; `do_page` does the next page of a task, and may be repeated."""
        after_seq = 0
        while True:
            self._wake = trio.Event()
            began_at = trio.current_time()
            task = await retry_until_available(partial(self._read_next, after_seq), self._log)
            if task is None:
                self._tries.clear()  # of tasks that were ended meanwhile
                await self._wake.wait()
                continue
            after_seq = task.seq
            await do_page(task)
            await rest_after(began_at, share=_SHARE, at_least_s=_SHORTEST_REST_S)

    async def have_changed(self, changer: WebhookChanger, task_id: str, changes: Mapping[str, WebhookChange]) -> bool:
        """Have the actors of these webhooks change them for the task's page.

        Returns False, after a while, if some could not, and the page is to be tried again. After five tries they are
        left out.
        """
        if await change_each(changer, changes):
            self._tries.pop(task_id, None)
            return True
        await trio.sleep(_TRY_AGAIN_S)
        await retry_until_available(partial(self._writer.execute, ProbeWrite()), self._log)
        self._tries[task_id] += 1
        if self._tries[task_id] < _TRIES:
            return False
        del self._tries[task_id]
        return True
