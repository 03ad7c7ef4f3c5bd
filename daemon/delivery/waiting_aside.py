"""Deliveries that wait aside, and hold no other one of their webhook (contract "Options of a webhook").

Nothing of one that waits is in memory: it is kept with its time, apart from what is in order. When its time comes it
takes its place there again, which is before all that was accepted later, and its webhook's actor reads anew what is
first.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from structlog.typing import FilteringBoundLogger

from daemon.delivery.back_off import left_of_back_off
from daemon.delivery.endpoint_state import EndpointState, Lane
from daemon.domain.clock import Clock
from daemon.domain.model import Work
from daemon.domain.policy import Policy
from daemon.store.aside_commands import SetAside, TakeBack
from daemon.store.reads import aside_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# Taking so many back takes a few milliseconds.
_AT_ONCE = 200


class BackOffs:
    """What is left of back-offs that an earlier life of an actor began: waited for, or the delivery steps aside.

    `on_aside` is told until when (ms).
    """

    __slots__ = ("_clock", "_log", "_on_aside", "_reader", "_writer")

    def __init__(
        self, *, store: Store, clock: Clock, log: FilteringBoundLogger, on_aside: Callable[[int], None]
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._clock = clock
        self._log = log
        self._on_aside = on_aside

    async def wait_out(self, work: Work, state: EndpointState, lane: Lane, *, policy: Policy) -> None:
        """Wait until the lane's delivery is due; if it steps aside instead, none is current there any more."""
        now, log = self._clock.now_ms(), self._log
        left_s = await left_of_back_off(work, policy, now=now, reader=self._reader, log=log)
        if not (left_s and policy.steps_aside):
            await lane.back_off(left_s)
            return
        async with state.transition:
            if state.is_due(work, lane):
                set_aside = SetAside(work.seq, state.webhook.id, due_at=now + round(left_s * 1000), now=now)
                await retry_until_available(partial(self._writer.execute, set_aside), log)
                lane.current = None
                self._on_aside(set_aside.due_at)


class TakingBack:
    """Takes deliveries back whose time has come, or whose clock was set back since: their actors wait anew.

    `owns(id)` says which webhooks this process delivers for; `overtake(id)` has a webhook's actor read what is first.
    """

    def __init__(
        self,
        *,
        store: Store,
        telemetry: Telemetry,
        owns: Callable[[str], bool],
        overtake: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._log = telemetry.log
        self._owns = owns
        self._overtake = overtake

    async def run_due(self, now: int) -> int | None:
        """Take back all whose time has come; return when the next one's comes, None if none waits."""
        for read_due in (aside_reads.due_aside, aside_reads.aside_of_later_clock):
            await self._take_back(read_due, now)
        return await retry_until_available(partial(self._store.reader.fetch, aside_reads.next_aside_at, now), self._log)

    async def _take_back(self, read_due: aside_reads.ReadDue, now: int) -> None:
        place: aside_reads.Place | None = aside_reads.FIRST
        while place is not None:
            read = partial(self._store.reader.fetch, read_due, now, place, _AT_ONCE)
            found, place = await retry_until_available(read, self._log)
            own = [(seq, webhook_id) for seq, webhook_id in found if self._owns(webhook_id)]
            if own:
                command = TakeBack(tuple(seq for seq, _ in own))
                await retry_until_available(partial(self._store.writer.execute, command), self._log)
            for webhook_id in dict.fromkeys(webhook_id for _, webhook_id in own):
                await self._overtake(webhook_id)
