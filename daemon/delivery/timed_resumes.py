"""Resumes paused webhooks of this process when their time has come (contract "Pause")."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from daemon.domain.clock import Clock
from daemon.domain.errors import DaemonError, NothingDue
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_AT_ONCE = 16
_TRY_AGAIN_S = 5

# Resumes a webhook if its time has come. Raises DaemonError.
Resume = Callable[[str], Awaitable[object]]


class TimedResumes:
    """`owns(id)` says which webhooks this process delivers for: it leaves the others to their owners."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, owns: Callable[[str], bool], resume: Resume
    ) -> None:
        self._reader = store.reader
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._owns = owns
        self._resume = resume

    async def run_due(self, now: int) -> int | None:
        """Resume what is due, a few at once; return when to come again, None if nothing resumes by itself."""
        all_resumed = await self._resume_due(now)
        read = partial(self._reader.fetch, actor_reads.next_resume_at, now)
        next_at = await retry_until_available(read, self._log)
        if all_resumed:
            return next_at
        again_at = self._now_ms() + _TRY_AGAIN_S * 1000  # however long those took
        return again_at if next_at is None else min(next_at, again_at)

    async def _resume_due(self, now: int) -> bool:
        place: actor_reads.ResumePlace | None = actor_reads.FIRST_RESUME
        all_resumed = True
        while place is not None:
            read = partial(self._reader.fetch, actor_reads.due_resumes, now, place, _AT_ONCE)
            due, place = await retry_until_available(read, self._log)
            all_resumed &= await _all(self._resume, [webhook_id for webhook_id in due if self._owns(webhook_id)])
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
