"""What is done to nodes and their way to the database: each function does it once, and returns when it is over."""

import random
from dataclasses import replace

import trio

from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.evidence import CLOCK_STEPPED
from tests.cluster.chaos.node import Node
from tests.cluster.chaos.proxy import DEAF, LOSING, MUTE, PASSING, REFUSING, SILENT, SLOW, Condition
from tests.support.forking import DAEMON

LEASE_S = 3.0
HOUR_S = 3600
NEXT_VERSION = ("tests.support.next_version", "additive")
# A kill after which the node stays away until others have its work.
KILLED_FOR_LONG = "kill, and away"
_CUTS = {"refused": REFUSING, "silent": SILENT, "deaf": DEAF, "mute": MUTE, "losing": LOSING, "slow": SLOW}


async def kill_for_a_moment(cluster: Cluster, chance: random.Random) -> None:
    """Kill a node; it is started again at once."""
    node = chance.choice(cluster.running())
    with cluster.disturbing("kill", [node]):
        node.kill()
        await node.ended()
    await node.ready()


async def kill_for_long(cluster: Cluster, chance: random.Random) -> None:
    """Kill a node; it is started again when others have had its work for a while."""
    await _kill(cluster, chance, away_s=chance.uniform(2 * LEASE_S, 3 * LEASE_S))


async def kill_until_others_deliver(cluster: Cluster, chance: random.Random) -> None:
    """Kill a node; it is started again when others have just got its work."""
    await _kill(cluster, chance, away_s=1.8 * LEASE_S)


async def _kill(cluster: Cluster, chance: random.Random, away_s: float) -> None:
    node = chance.choice(cluster.running())
    node.wanted = False
    with cluster.disturbing(KILLED_FOR_LONG, [node]):
        node.kill()
        await node.ended()
    await trio.sleep(away_s)
    node.start()
    await node.ready()


async def freeze_past_the_lease(cluster: Cluster, chance: random.Random) -> None:
    """Freeze a node until others have its work, and wake it up."""
    node = chance.choice(cluster.running())
    with cluster.disturbing("freeze", [node]):
        node.freeze()
        await trio.sleep(1.5 * LEASE_S)
        node.wake()


async def cut_silently(cluster: Cluster, chance: random.Random) -> None:
    """Have a node hear nothing of the database for longer than its lease."""
    node = chance.choice(cluster.running())
    with cluster.disturbing("cut, silent", [node]):
        await cut_in_one_way(cluster, node, SILENT, seconds=1.3 * LEASE_S)


async def crash_database(cluster: Cluster, _chance: random.Random) -> None:
    """Stop the database at once, and start it again."""
    with cluster.disturbing("database stopped, immediate", cluster.nodes):
        await cluster.primary.stop("immediate")
        await cluster.primary.start()


async def freeze(cluster: Cluster, chance: random.Random) -> None:
    """Freeze a node, for less than its lease or for much longer, and wake it up."""
    await _freeze(cluster, [chance.choice(cluster.running())], chance)


async def freeze_two(cluster: Cluster, chance: random.Random) -> None:
    """Freeze two nodes together; one wakes up before the other."""
    await _freeze(cluster, chance.sample(cluster.running(), 2), chance)


async def _freeze(cluster: Cluster, nodes: list[Node], chance: random.Random) -> None:
    with cluster.disturbing("freeze", nodes):
        for node in nodes:
            node.freeze()
        await trio.sleep(chance.choice((chance.uniform(0.5, LEASE_S), chance.uniform(LEASE_S, 4 * LEASE_S))))
        for node in nodes:
            node.wake()
            await trio.sleep(chance.uniform(0, 0.5))


async def cut(cluster: Cluster, chance: random.Random) -> None:
    """Cut a node off from the database in one of many ways, and join it again."""
    name = chance.choice(list(_CUTS))
    node = chance.choice(cluster.running())
    with cluster.disturbing(f"cut, {name}", [node]):
        await cut_in_one_way(cluster, node, _CUTS[name], seconds=chance.uniform(0.5, 3 * LEASE_S))


async def cut_in_one_way(cluster: Cluster, node: Node, condition: Condition, *, seconds: float) -> None:
    """Have a node's way to the database be like this for so long."""
    for proxy in cluster.proxies[node.number]:
        proxy.apply(condition)
    await trio.sleep(seconds)
    for proxy in cluster.proxies[node.number]:
        proxy.apply(PASSING)


async def cut_one_connection(cluster: Cluster, chance: random.Random) -> None:
    """Cut one connection of a node's to the database, and leave the others alone."""
    node = chance.choice(cluster.running())
    connections = [one for proxy in cluster.proxies[node.number] for one in proxy.connections]
    if not connections:
        return
    name, connection = chance.choice(list(_CUTS)), chance.choice(connections)
    with cluster.disturbing(f"cut of one connection, {name}", [node]):
        connection.apply(_CUTS[name])
        if name == "refused":
            connection.reset()
        await trio.sleep(chance.uniform(0.5, 3 * LEASE_S))
        connection.apply(PASSING)


async def lose_one_connection(cluster: Cluster, chance: random.Random) -> None:
    """Lose one connection of a node's to the database for good, without a word to either side."""
    node = chance.choice(cluster.running())
    connections = [one for proxy in cluster.proxies[node.number] for one in proxy.connections if not one.lost]
    if connections:
        with cluster.disturbing("lost connection", [node]):
            chance.choice(connections).lose()
            await trio.sleep(4 * LEASE_S)


async def restart_database(cluster: Cluster, chance: random.Random) -> None:
    """Stop the database, gently or as a crash would, and start it again after up to two leases."""
    mode = chance.choice(("fast", "immediate"))
    with cluster.disturbing(f"database stopped, {mode}", cluster.nodes):
        await cluster.primary.stop("fast" if mode == "fast" else "immediate")
        await trio.sleep(chance.choice((0.0, chance.uniform(0, 2 * LEASE_S))))
        await cluster.primary.start()
    await trio.sleep(LEASE_S)


async def step_clock(cluster: Cluster, chance: random.Random) -> None:
    """Have a node's wall clock jump, go wrong for a while, and jump back. Nothing is repeated because of it."""
    node = chance.choice(cluster.running())
    with cluster.disturbing(CLOCK_STEPPED, []):
        node.step_clock(chance.choice((-1, 1)) * chance.choice((5, HOUR_S, 25 * HOUR_S)))
        await trio.sleep(chance.uniform(1, 3 * LEASE_S))
        node.step_clock(0)


async def roll(cluster: Cluster, chance: random.Random) -> None:
    """Stop and start one node after the other, as an upgrade does: nothing is sent twice."""
    for node in cluster.running():
        await node.terminate()
        await node.ready()
        await trio.sleep(chance.uniform(0.5, 2))


async def upgrade(cluster: Cluster, chance: random.Random) -> None:
    """Upgrade one node after the other; the first one upgrades the database beside those of the version before."""
    for node in cluster.running():
        node.installation = replace(node.installation, program=NEXT_VERSION)
        await node.terminate()
        await node.ready()
        await trio.sleep(chance.uniform(0.5, 1))


async def go_back(cluster: Cluster, chance: random.Random) -> None:
    """Start a node with the version before again: it goes on with what the next one has upgraded."""
    node = chance.choice(cluster.running())
    node.installation = replace(node.installation, program=DAEMON)
    await node.terminate()
    await node.ready()


async def join_and_leave(cluster: Cluster, chance: random.Random) -> None:
    """Have a spare node join, and another one leave."""
    joining = chance.choice([node for node in cluster.nodes if not node.wanted])
    joining.start()
    await joining.ready()
    await trio.sleep(chance.uniform(0.5, 2 * LEASE_S))
    leaving = chance.choice([node for node in cluster.running() if node is not joining])
    await leaving.stop()
    await trio.sleep(chance.uniform(0.5, 2 * LEASE_S))
