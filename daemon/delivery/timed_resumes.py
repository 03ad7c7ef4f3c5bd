"""The resuming actor: resumes paused webhooks of this process when their time has come (contract "Pause").

The times are in the database: a restart, or the webhook's next owner, goes on with them. This actor sleeps until the
next one, or for ever if there is none. The time is the wall clock's, which may be set: so it looks once a minute while
a time is to come.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from daemon.domain.clock import Clock
from daemon.domain.errors import DaemonError, NothingDue
from daemon.domain.model import Webhook
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_AT_ONCE = 16
_LONGEST_SLEEP_S = 60
_TRY_AGAIN_S = 5

# Resumes a webhook if its time has come. Raises DaemonError.
Resume = Callable[[str], Awaitable[object]]


class TimedResumes:
    """`owns(id)` says which webhooks this process delivers for: it leaves the others to their owners."""

    def __init__(self, *, store: Store, clock: Clock, telemetry: Telemetry, owns: Callable[[str], bool]) -> None:
        self._reader = store.reader
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._owns = owns
        self._woken = trio.Event()

    def note(self, webhook: Webhook) -> None:
        """Take note of a webhook that was changed: it may resume by itself earlier than the next one."""
        if webhook.resumes_at is not None:
            self.wake()

    def wake(self) -> None:
        """Look for times now: there may be earlier ones, or this process owns more webhooks than before."""
        self._woken.set()

    async def run(self, resume: Resume) -> None:
        """Resume what is due, until cancelled."""
        while True:
            self._woken = trio.Event()
            now = self._now_ms()
            all_resumed = await self._resume_due(resume, now)
            read = partial(self._reader.fetch, actor_reads.next_resume_at, now)
            next_at = await retry_until_available(read, self._log)
            if not all_resumed:
                again_at = self._now_ms() + _TRY_AGAIN_S * 1000  # however long those took
                next_at = again_at if next_at is None else min(next_at, again_at)
            await self._sleep_until(next_at)

    async def _sleep_until(self, next_at: int | None) -> None:
        if next_at is None:
            await self._woken.wait()
            return
        left_s = (next_at - self._now_ms()) / 1000
        with trio.move_on_after(max(0, min(left_s, _LONGEST_SLEEP_S))):
            await self._woken.wait()

    async def _resume_due(self, resume: Resume, now: int) -> bool:
        """Resume what is due, a few at once; return whether each was."""
        place: actor_reads.ResumePlace | None = actor_reads.FIRST_RESUME
        all_resumed = True
        while place is not None:
            read = partial(self._reader.fetch, actor_reads.due_resumes, now, place, _AT_ONCE)
            due, place = await retry_until_available(read, self._log)
            all_resumed &= await _all(resume, [webhook_id for webhook_id in due if self._owns(webhook_id)])
        return all_resumed


async def _all(resume: Resume, webhook_ids: Sequence[str]) -> bool:
    failed: list[str] = []

    async def resume_one(webhook_id: str) -> None:
        try:
            await resume(webhook_id)
        except NothingDue:
            pass  # somebody was faster
        except DaemonError:  # the daemon stops, or its actor cannot change it now
            failed.append(webhook_id)

    async with trio.open_nursery() as nursery:
        for webhook_id in webhook_ids:
            nursery.start_soon(resume_one, webhook_id)
    return not failed
