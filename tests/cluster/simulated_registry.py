"""A registry of nodes in memory, on Trio's clock: the same rules as the database's, without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from daemon.domain.errors import StoreUnavailable
from daemon.domain.shards import SHARDS
from daemon.store.nodes import Identity, Survey

LEASE_S = 3.0


@dataclass(slots=True)
class Life:
    """One life of a node."""

    installation: str
    until: float
    steady_since: float
    ended: bool = False
    draining: bool = False


@dataclass(slots=True)
class SimulatedRegistry:
    """One node's view of it: `away` makes every call of this node fail."""

    lives: dict[int, Life] = field(default_factory=dict)
    owners: dict[int, int | None] = field(default_factory=lambda: dict.fromkeys(range(SHARDS)))
    away: bool = False

    def view(self) -> "SimulatedRegistry":
        """Return another node's view."""
        return SimulatedRegistry(self.lives, self.owners)

    async def join(self, me: Identity) -> int:
        await self._call()
        for life in self.lives.values():
            life.ended = life.ended or life.installation == me.installation
        node = len(self.lives) + 1
        now = trio.current_time()
        self.lives[node] = Life(me.installation, until=now + LEASE_S, steady_since=now)
        return node

    async def renew(self, node: int, report: str) -> bool:
        await self._call()
        life, now = self.lives[node], trio.current_time()
        if life.ended:
            return False
        life.steady_since = now if life.until < now else life.steady_since
        life.until = now + LEASE_S
        return True

    async def reap(self, node: int) -> Sequence[int]:
        await self._call()
        now, mine = trio.current_time(), self.lives[node]
        if mine.ended or mine.until <= now or mine.steady_since >= now - LEASE_S:
            return []
        over = [number for number, life in self.lives.items() if not life.ended and life.until < now]
        for number in over:
            self.lives[number].ended = True
        return over

    async def survey(self, node: int) -> Survey:
        await self._call()
        sharers = sum(not life.ended and not life.draining for life in self.lives.values())
        mine = frozenset(shard for shard, owner in self.owners.items() if owner == node)
        return Survey(sharers, mine, free=len(self._free()), draining=self.lives[node].draining)

    async def claim(self, node: int, at_most: int) -> Sequence[int]:
        await self._call()
        claimed = [] if self.lives[node].ended else self._free()[:at_most]
        self.owners.update(dict.fromkeys(claimed, node))
        return claimed

    async def release(self, node: int, shards: Sequence[int]) -> None:
        await self._call()
        self.owners.update({shard: None for shard in shards if self.owners[shard] == node})

    async def drain(self, node: int) -> None:
        await self._call()
        self.lives[node].draining = True

    async def leave(self, node: int, why: str) -> None:
        await self._call()
        self.lives[node].ended = True

    def passes_fence(self, node: int) -> bool:
        """Whether a write under this life would be kept."""
        return node > 0 and not self.lives[node].ended

    def _free(self) -> list[int]:
        return [shard for shard, owner in self.owners.items() if owner is None or self.lives[owner].ended]

    async def _call(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise StoreUnavailable("the database is away")
