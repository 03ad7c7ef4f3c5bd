"""What is done to a node at the very moment at which only one rule of the protocol keeps it from harm.

Each is red without its rule (architecture "Nodes"): the fence, and that a delivery that was begun goes first.
"""

import random

import trio

from tests.cluster.chaos.actions import KILLED_FOR_LONG
from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.evidence import Arrival
from tests.cluster.chaos.late import begin_late
from tests.cluster.chaos.node import Node
from tests.cluster.chaos.proxy import BETWEEN, PASSING, Condition

_CATCH_S = 20
# A lease, until a node that is steady looks, and what it has to read.
_TAKEOVER_S = 8
_QUIET_S = 0.5
_ON_ITS_WAY_S = 0.5
_WRITES_S = 1.5


async def freeze_before_its_commit(cluster: Cluster, chance: random.Random) -> None:
    """Have the outcome of an attempt reach the database only when others have the node's work and repeat the attempt.

    The node is cut off and frozen between its send and its commit, and goes on while the repetition is in flight. What
    it was answered is a failure, what others are answered is a success: both outcomes cannot stand.
    """
    node = chance.choice(cluster.running())
    with cluster.receivers.trapping(lambda one: one.node == node.number and _is_plain(cluster, one), 503) as trap:
        first = await trap.caught(_CATCH_S)
        with (
            cluster.disturbing("freeze before a commit", [node]),
            cluster.receivers.trapping(lambda one: _is_again(first, one)) as again,
        ):
            node.wanted = False  # clients leave it alone: the next that it writes are outcomes
            try:
                await trio.sleep(_QUIET_S)
                _apply(cluster, node, BETWEEN)
                trap.release()
                await trio.sleep(_ON_ITS_WAY_S)
                node.freeze()
                await again.caught(_TAKEOVER_S)
                _apply(cluster, node, PASSING)
                node.wake()
                await trio.sleep(_WRITES_S)
            finally:
                node.wanted = True


async def kill_with_a_late_number(cluster: Cluster, _chance: random.Random) -> None:
    """Kill a node between the attempts of a delivery. Another delivery to this webhook appears only then, though its
    number is lower: its node took it before.
    """
    late = await begin_late(cluster)
    name = late.webhook.name
    with cluster.receivers.trapping(lambda one: (one.webhook, one.attempt) == (name, 2)) as trap:
        begun = await late.submit_next()
        caught = await trap.caught(_CATCH_S)
        node = cluster.nodes[caught.node - 1]
        node.wanted = False
        with cluster.disturbing(KILLED_FOR_LONG, [node]):
            node.kill()
            await node.ended()
    with cluster.receivers.trapping(lambda one: one.number == late.event.number) as arrival:
        await late.commit(like=begun)
        await arrival.caught(_TAKEOVER_S)
    node.start()
    await node.ready()


def _is_plain(cluster: Cluster, one: Arrival) -> bool:
    """Whether it is the first attempt for a webhook of the beginning whose receiver is well."""
    planned = cluster.planned.get(one.webhook)
    return planned is not None and planned.behaviour == "ok" and one.attempt == 1


def _is_again(first: Arrival, one: Arrival) -> bool:
    return (one.delivery_id, one.attempt) == (first.delivery_id, first.attempt) and one.node != first.node


def _apply(cluster: Cluster, node: Node, condition: Condition) -> None:
    for proxy in cluster.proxies[node.number]:
        proxy.apply(condition)
