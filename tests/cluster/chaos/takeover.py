"""How long webhooks waited after their node was killed and stayed away."""

from collections.abc import Iterator, Sequence

from tests.cluster.chaos.actions import KILLED_FOR_LONG
from tests.cluster.chaos.evidence import Arrival, Disturbance, Evidence
from tests.cluster.chaos.order import by_webhook

# What is delivered more seldom says little about how long it waited.
_BUSY_S = 2.0


def takeovers(evidence: Evidence) -> Iterator[float]:
    """Give for each kill the seconds until the first delivery, by another node, to a webhook of the dead one."""
    lanes = by_webhook(evidence.arrivals)
    for one in evidence.disturbances:
        if one.what == KILLED_FOR_LONG:
            waits = [wait for lane in lanes.values() for wait in _wait(lane, one)]
            if waits:
                yield min(waits)


def _wait(lane: Sequence[Arrival], killed: Disturbance) -> Iterator[float]:
    """Give how long a webhook waited for another node, if the dead one delivered for it just before."""
    before = [arrival for arrival in lane if arrival.at <= killed.begin]
    if not before or before[-1].node not in killed.nodes or killed.begin - before[-1].at > _BUSY_S:
        return
    for arrival in lane[len(before) :]:
        if arrival.node not in killed.nodes:
            yield arrival.at - killed.begin
            return
