"""Whether the machine had no time for the nodes: then one may lose its lease though nothing was done to it."""

import os

import trio

from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.evidence import Disturbance

_LOOK_EVERY_S = 0.5
_LATE_S = 0.3
# Processes that want a processor, for each that there is.
_WAITING = 3.0


async def watch_for_overload(cluster: Cluster) -> None:
    """Note each half second of overload as something that is done to all nodes, until cancelled."""
    numbers = frozenset(node.number for node in cluster.nodes)
    while True:
        begin = trio.current_time()
        await trio.sleep(_LOOK_EVERY_S)
        end = trio.current_time()
        is_late = end - begin > _LOOK_EVERY_S + _LATE_S
        if is_late or os.getloadavg()[0] > _WAITING * len(os.sched_getaffinity(0)):
            cluster.disturbances.append(Disturbance("half seconds of overload", numbers, begin, end))
