"""The timing actor: has what is kept with a time happen then (architecture "The states of a delivery").

The times are in the database: a restart, or the next owner, goes on with them. This actor sleeps until the earliest
one, or for ever if there is none. The time is the wall clock's, which may be set: so it looks once a minute while a
time is to come.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import trio

from daemon.domain.clock import NowMs
from daemon.domain.model import Webhook

_LONGEST_SLEEP_S = 60


class Timed(Protocol):
    """One kind of what happens at a time."""

    async def run_due(self, now: int) -> int | None:
        """Do what is due at `now`; return when to come again, None if there is nothing to come."""


class Timers:
    """Runs all kinds, each in its turn."""

    def __init__(self, now_ms: NowMs) -> None:
        self._now_ms = now_ms
        self._next_at: float = math.inf
        self._sleeping = trio.lowlevel.ParkingLot()

    def note(self, webhook: Webhook) -> None:
        """Take note of a webhook that was changed: it may resume by itself earlier than anything else happens."""
        if webhook.resumes_at is not None:
            self.note_time(webhook.resumes_at)

    def note_time(self, at: float) -> None:
        """Take note of a time that was kept (ms), which may be earlier than the next one."""
        if at < self._next_at:
            self._next_at = at
            self._sleeping.unpark_all()

    def wake(self) -> None:
        """Look for times now: this process owns more webhooks than before."""
        self.note_time(-math.inf)

    async def run(self, kinds: Sequence[Timed]) -> None:
        """Do what is due, until cancelled."""
        while True:
            self._next_at, now = math.inf, self._now_ms()
            for kind in kinds:
                if (next_at := await kind.run_due(now)) is not None:
                    self.note_time(next_at)
            await self._sleep_until_due()

    async def _sleep_until_due(self) -> None:
        while (left_s := (self._next_at - self._now_ms()) / 1000) > 0:
            longest_s = math.inf if math.isinf(left_s) else min(left_s, _LONGEST_SLEEP_S)
            with trio.move_on_after(longest_s) as scope:
                await self._sleeping.park()
            if scope.cancelled_caught:
                return
