"""The nodes that share a database: who they are, and giving one's work to the others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from daemon.domain.errors import NobodyTakesOver
from daemon.store.node_lives import Drained, NodeLife


class Nodes(Protocol):
    """All nodes, this one among them."""

    @property
    def are_shared(self) -> bool:
        """Whether several nodes may share the database."""

    async def lives(self) -> Sequence[NodeLife]:
        """Return the lives that have not ended or ended within the last hour, the newest first.

        Raises StoreUnavailable.
        """

    async def drain(self, name: str) -> Sequence[NodeLife]:
        """Have the living nodes of this name give their shards to the others; return them, none if none lives.

        It may be repeated. It lasts until the node is started again. Raises NobodyTakesOver, StoreUnavailable.
        """


@dataclass(frozen=True, slots=True)
class OnlyNode:
    """The node of a database that no other may share: this process."""

    life: Callable[[], NodeLife]

    @property
    def are_shared(self) -> bool:
        """See Nodes."""
        return False

    async def lives(self) -> Sequence[NodeLife]:
        """See Nodes."""
        return [self.life()]

    async def drain(self, name: str) -> Sequence[NodeLife]:
        """See Nodes. Raises NobodyTakesOver, always."""
        raise NobodyTakesOver("no other process can take over from the only one on an SQLite database: stop it instead")


@dataclass(frozen=True, slots=True)
class SharedNodes:
    """The nodes of a database that several may share; the functions may raise StoreUnavailable."""

    read: Callable[[], Awaitable[Sequence[NodeLife]]]
    begin_draining: Callable[[str], Awaitable[Drained]]

    @property
    def are_shared(self) -> bool:
        """See Nodes."""
        return True

    async def lives(self) -> Sequence[NodeLife]:
        """See Nodes."""
        return await self.read()

    async def drain(self, name: str) -> Sequence[NodeLife]:
        """See Nodes."""
        if await self.begin_draining(name) is Drained.NOBODY_TAKES_OVER:
            raise NobodyTakesOver("no other living node could take over: start one first, or stop this one instead")
        return [life for life in await self.read() if life.name == name and life.ended_at is None]
