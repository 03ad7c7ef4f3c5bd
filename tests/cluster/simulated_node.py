"""A node in virtual time: its membership, and what its hooks were told."""

from collections.abc import Collection
from dataclasses import dataclass, field

import trio

from daemon.cluster.lease import Lease
from daemon.cluster.membership import Membership, ShardHooks
from daemon.store.nodes import Fence, Identity
from tests.cluster.simulated_registry import SimulatedRegistry
from tests.support.telemetry import make_telemetry


@dataclass(slots=True)
class SimulatedNode:
    """Runs until its task is cancelled, which is its death; `leaving_takes_s`: how long attempts in flight take."""

    name: str
    registry: SimulatedRegistry
    fence: Fence = field(default_factory=Fence)
    claimed: list[frozenset[int]] = field(default_factory=list)
    left: list[frozenset[int]] = field(default_factory=list)
    fenced: int = 0
    leaving_takes_s: float = 0
    membership: Membership = field(init=False)

    def __post_init__(self) -> None:
        identity = Identity(installation=self.name, name=self.name, host="host", version="1")
        self.membership = Membership(
            identity,
            self.registry,
            fence=self.fence,
            lease=Lease(trio.current_time),
            report=lambda: "{}",
            log=make_telemetry().log,
        )

    async def run(self) -> None:
        """Be a member until cancelled."""
        await self.membership.join()
        await self.membership.run(
            ShardHooks(
                on_claimed=self._on_claimed,
                on_leaving=self._on_leaving,
                on_released=lambda: None,
                on_fenced=self._on_fenced,
            )
        )

    @property
    def may_deliver(self) -> bool:
        """Whether an attempt would begin here now, for some webhook."""
        return bool(self.membership.shards) and self.membership.lease.valid

    async def _on_claimed(self, shards: Collection[int]) -> None:
        self.claimed.append(frozenset(shards))

    async def _on_leaving(self, shards: Collection[int]) -> None:
        await trio.sleep(self.leaving_takes_s)
        self.left.append(frozenset(shards))

    async def _on_fenced(self) -> None:
        self.fenced += 1
