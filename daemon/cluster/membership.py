"""The membership actor: keeps this node a member, with its fair share of the shards (architecture "Nodes").

Theory of operation
~~~~~~~~~~~~~~~~~~~

    join -> [ renew -> end the lives whose lease is over -> claim or give back shards ] every 0.6 s -> fenced -> join

A *life* begins with `join` and has a number of its own. All that this process writes passes a fence in the database
that asks for that number. These hold:

1. *A member* renews its lease in time. It owns the shards in `_shards`, and delivers for their webhooks.
2. *Suspended*: renewals fail, since the database is away. `lease` runs out before the server's does, and no attempt
   begins. Nothing else changes: those in flight finish, and their outcomes wait. A renewal that is granted ends it.
3. *Fenced*: a renewal finds that another node has ended this life. Its shards may be others' by now. So nothing that
   was begun under it may be written: the fence is shut first (`fence.node` is None), then every actor is cancelled
   (`on_fenced`, which returns when the writer has answered all that they had queued), and then the next life begins.
4. *Shards come* by `claim`: from nobody, or from a life that has ended. Only after its commit does `on_claimed` read
   what waits in them. Whatever their former owner wrote is committed by then, or was refused by the fence.
5. *Shards go* when another node joins, or when this one is drained: first they no longer count as owned, then their
   actors finish what is in flight and end (`on_leaving`), and only then are they released.

Cancelled at any await it leaves a life that nobody renews, which ends 3 s later, as after a crash.
"""

import math
from collections.abc import Awaitable, Callable, Collection, Set
from dataclasses import dataclass

import trio
from structlog.typing import FilteringBoundLogger

from daemon.cluster.lease import Lease
from daemon.domain.errors import StoreUnavailable
from daemon.domain.shards import SHARDS, shard_of
from daemon.store.nodes import Fence, Identity, Registry, Survey
from daemon.store.retry import retry_until_available

RENEW_EVERY_S = 0.6
# After a failure: soon, for the lease is running out.
_RETRY_S = 0.2
_LEAVE_WITHIN_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHooks:
    """What follows from shards that come and go; each returns when that is done.

    `on_claimed` begins to deliver for them, `on_leaving` lets what is in flight in them finish, `on_released` tells
    others that they have no owner, `on_fenced` ends all.
    """

    on_claimed: Callable[[Collection[int]], Awaitable[None]]
    on_leaving: Callable[[Collection[int]], Awaitable[None]]
    on_released: Callable[[], object]
    on_fenced: Callable[[], Awaitable[None]]


class Membership:
    """This node, as a member of its cluster. `report()` is what others are told of it, as JSON."""

    def __init__(
        self,
        me: Identity,
        registry: Registry,
        *,
        fence: Fence,
        lease: Lease,
        report: Callable[[], str],
        log: FilteringBoundLogger,
    ) -> None:
        self._me = me
        self._registry = registry
        self._fence = fence
        self.lease = lease
        self._report = report
        self._log = log
        self._shards: Set[int] = frozenset()
        self._leaving: Set[int] = frozenset()
        self._draining = False
        self._changed = trio.lowlevel.ParkingLot()
        self._hurry = trio.Event()
        self.claims = 0
        self.lives = 0

    @property
    def node(self) -> int:
        """The number of this life, 0 while there is none."""
        return self._fence.node or 0

    @property
    def shards(self) -> Set[int]:
        """The shards that this node delivers for."""
        return self._shards

    def owns(self, identity: str) -> bool:
        """Whether this node delivers for the webhook with this id, or makes the deliveries of the team with it."""
        return shard_of(identity) in self._shards

    def not_ready(self) -> str | None:
        """Return why nothing can be accepted here now, None if it can."""
        if self._fence.node is None:
            return "this node is not a member of its cluster now"
        return None if self.lease.valid else "the database is away"

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` is true: it is asked whenever a life or what this node owns changes."""
        while not condition():
            await self._changed.park()

    def look_now(self) -> None:
        """Look for shards to claim or to give back at once: something has changed."""
        self._hurry.set()

    async def join(self) -> None:
        """Begin the first life, or the next one, however long the database is away. Raises CopiedInstallation."""
        while True:
            sent_at = self.lease.now()
            try:
                node = await self._registry.join(self._me)
                break
            except StoreUnavailable as error:
                self._log.error("store_unavailable", error=str(error), retryInMs=round(_RETRY_S * 1000))
            await trio.sleep(_RETRY_S)
        self._fence.node = node
        self.lives += 1
        self.lease.extend(sent_at)
        self._changed.unpark_all()
        self._log.info("node_joined", life=node)

    async def run(self, hooks: ShardHooks) -> None:
        """Be a member, after `join`: life after life, until cancelled. Raises CopiedInstallation."""
        while True:
            node = self._fence.begin()
            async with trio.open_nursery() as nursery:
                await self._live(node, hooks, nursery)
                nursery.cancel_scope.cancel()
            self._log.error("node_fenced", life=node)
            self._shut()
            await hooks.on_fenced()
            await self.join()

    def drain(self) -> None:
        """Give back all shards, as their attempts in flight end, and claim no more: this node is stopping."""
        self._draining = True
        self.look_now()

    async def leave(self) -> None:
        """End this life: nothing is delivered here any more. What cannot be said in time others find out by the lease.

        Call it when every actor has ended, and the writer has written what they queued.
        """
        node = self._fence.node
        self._shut()
        if node is not None:
            with trio.move_on_after(_LEAVE_WITHIN_S):
                await self._try_to_leave(node)

    async def _try_to_leave(self, node: int) -> None:
        try:
            await self._registry.leave(node, "stopped")
        except StoreUnavailable as error:
            self._log.warning("node_left_unnoticed", error=str(error))

    async def _live(self, node: int, hooks: ShardHooks, nursery: trio.Nursery) -> None:
        """Renew the lease and share the work until the life is found ended."""
        while True:
            self._hurry = trio.Event()
            sent_at, pause_s = self.lease.now(), RENEW_EVERY_S
            try:
                if not await self._registry.renew(node, self._report()):
                    return
                self.lease.extend(sent_at)
                await self._share(node, hooks, nursery)
            except StoreUnavailable as error:
                pause_s = _RETRY_S
                if not self.lease.valid:
                    self._log.warning("node_suspended", error=str(error))
            with trio.move_on_after(pause_s):
                await self._hurry.wait()

    async def _share(self, node: int, hooks: ShardHooks, nursery: trio.Nursery) -> None:
        for ended in await self._registry.reap(node):
            self._log.warning("node_taken_for_dead", life=ended)
        if self._draining:
            await self._registry.drain(node)
        # Taken before the survey: it may show as owned what is released while it is on its way.
        leaving = self._leaving
        found = await self._registry.survey(node)
        leaving |= self._leaving
        # Those of a claim whose answer was lost are this node's, too.
        claimed, wanted = found.mine - self._shards - leaving, fair_share(found)
        if found.free and len(found.mine) < wanted:
            claimed |= frozenset(await self._registry.claim(node, wanted - len(found.mine))) - leaving
        if claimed:
            self._own(self._shards | claimed)
            self.claims += len(claimed)
            self._log.info("shards_claimed", count=len(claimed), owned=len(self._shards))
            nursery.start_soon(hooks.on_claimed, claimed)
        if len(self._shards) > wanted and not self._leaving:
            self._leaving = frozenset(sorted(self._shards)[wanted:])
            nursery.start_soon(self._give_back, node, self._leaving, hooks)

    async def _give_back(self, node: int, leaving: Set[int], hooks: ShardHooks) -> None:
        self._own(self._shards - leaving)
        await hooks.on_leaving(leaving)
        await retry_until_available(lambda: self._registry.release(node, sorted(leaving)), self._log)
        self._leaving = frozenset()
        hooks.on_released()
        self._log.info("shards_released", count=len(leaving), owned=len(self._shards))

    def _own(self, shards: Set[int]) -> None:
        self._shards = shards
        self._changed.unpark_all()

    def _shut(self) -> None:
        self._fence.node = None
        self.lease.end()
        self._leaving = frozenset()
        self._own(frozenset())


def fair_share(found: Survey) -> int:
    """Return how many shards a node should own: the same for each that shares the work, rounded up."""
    return 0 if found.draining else math.ceil(SHARDS / max(1, found.sharers))
