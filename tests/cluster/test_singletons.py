"""Actors of which one runs in the whole cluster, in virtual time."""

import trio
from trio.testing import MockClock

from daemon.cluster.singletons import only_on_first_shard
from tests.cluster.simulated_node import SimulatedNode
from tests.cluster.simulated_registry import SimulatedRegistry


class Upkeep:
    """Counts how many of it run."""

    running = 0

    async def run(self) -> None:
        self.running += 1
        try:
            await trio.sleep_forever()
        finally:
            self.running -= 1


async def test_one_of_several_nodes_does_the_upkeep_and_another_takes_it_over(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    upkeep, registry = Upkeep(), SimulatedRegistry()
    lives = []
    for name in "abc":
        node, life = SimulatedNode(name, registry.view()), trio.CancelScope()
        lives.append((node, life))
        nursery.start_soon(_live, node, life, upkeep)
        await trio.sleep(5)
    assert upkeep.running == 1
    doing = next(life for node, life in lives if 0 in node.membership.shards)
    doing.cancel()
    await trio.sleep(1)
    assert upkeep.running == 0
    await trio.sleep(9)
    assert upkeep.running == 1


async def _live(node: SimulatedNode, life: trio.CancelScope, upkeep: Upkeep) -> None:
    with life:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.run)
            nursery.start_soon(only_on_first_shard(upkeep.run, node.membership))
