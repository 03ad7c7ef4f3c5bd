"""The primary is lost, and its synchronous standby takes its place: what was acknowledged is there."""

import random

import trio

from tests.cluster.chaos.actions import LEASE_S
from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.server import open_standby


async def fail_over(cluster: Cluster, chance: random.Random) -> None:
    """Give the primary a standby, stop the primary at once, promote the standby, and lead every node there."""
    standby = await cluster.stack.enter_async_context(open_standby(cluster.primary))
    await trio.sleep(chance.uniform(1, 3))
    with cluster.disturbing("failover", cluster.nodes):
        await cluster.primary.stop("immediate")
        await trio.sleep(chance.uniform(0, LEASE_S))
        await standby.promote()
        cluster.servers.append(standby)
        for proxy in cluster.all_proxies():
            proxy.redirect(standby.address)
    await trio.sleep(LEASE_S)
