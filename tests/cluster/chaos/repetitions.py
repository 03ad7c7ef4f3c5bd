"""Attempts that arrived more than once: each must follow from something that was done to the node that made it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.cluster.chaos.evidence import Arrival, Disturbance, Evidence

# Of one webhook, after one disturbance of a node: no more can have been sent and not yet be committed.
REPEATED_AT_MOST = 4
# What arrived longer before is committed: receivers answer within a fraction of this.
_BEFORE_S = 3.0
# A node that was frozen or cut off finds out a moment later that others have its work.
_AFTERWARDS_S = 2.0


def unexplained(evidence: Evidence) -> Iterator[str]:
    """Yield the repetitions that nothing explains, and those that are too many."""
    used: Counter[tuple[str, Disturbance]] = Counter()
    for first, again in repetitions(evidence.arrivals):
        found = explanations(evidence.disturbances, first, again)
        free = [one for one in found if used[first.webhook, one] < REPEATED_AT_MOST]
        if free:
            used[first.webhook, free[0]] += 1
        else:
            why = "too many after " + ", ".join({one.what for one in found}) if found else "nothing was done to it"
            yield (
                f"attempt {first.attempt} of {first.delivery_id} to {first.webhook} came from node {first.node} at "
                f"{first.at:.3f} and from node {again.node} at {again.at:.3f}: {why}"
            )


def repetitions(arrivals: Sequence[Arrival]) -> Iterator[tuple[Arrival, Arrival]]:
    """Give each arrival that came before, with the one before it."""
    seen: dict[tuple[str, int], Arrival] = {}
    for arrival in arrivals:
        name = (arrival.delivery_id, arrival.attempt)
        if (first := seen.get(name)) is not None:
            yield first, arrival
        seen[name] = arrival


def explanations(disturbances: Sequence[Disturbance], first: Arrival, then: Arrival) -> list[Disturbance]:
    """Return what was done between the two: to the first one's node, before its outcome was committed, or to the other
    one's, which woke up with work that was no longer its own.
    """
    nodes = {first.node, then.node}
    return [
        one
        for one in disturbances
        if nodes & one.nodes and one.begin <= then.at and one.begin - _BEFORE_S <= first.at <= one.end + _AFTERWARDS_S
    ]
