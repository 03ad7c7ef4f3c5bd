"""Latencies as counts of fixed classes: cheap to keep and to add up, and each quantile is known to its class."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

# The longest latency of each class (ms); one more class has what took longer.
LATENCY_EDGES_MS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


def latency_class(duration_ms: int) -> int:
    """Return the place of a duration's class among the edges; behind them if it is longer than all."""
    return bisect_left(LATENCY_EDGES_MS, duration_ms)


def quantile(counts: Sequence[float], edges: Sequence[float], share: float) -> float | None:
    """Return the value that this share of what was counted does not exceed, in the unit of `edges`; None without any.

    `counts` are those of the classes up to each edge, and one of what exceeds all. Within its class the value is
    estimated, as if the values there were spread evenly; beyond the last edge it is that edge.
    """
    sums = list(accumulate(counts))
    rank = sums[-1] * share
    if not rank:
        return None
    place = bisect_left(sums, rank)
    if place >= len(edges):
        return edges[-1]
    below = edges[place - 1] if place else 0
    before = sums[place - 1] if place else 0
    return below + (edges[place] - below) * (rank - before) / counts[place]
