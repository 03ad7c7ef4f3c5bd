"""Latencies in classes: every quantile is exact to its class, whatever was counted."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.latencies import LATENCY_EDGES_MS, latency_class, quantile


@given(st.lists(st.integers(0, 20_000), min_size=1), st.sampled_from([0.5, 0.95]))
def test_a_quantile_lies_in_the_class_of_the_true_one(durations: list[int], share: float) -> None:
    counts = [0] * (len(LATENCY_EDGES_MS) + 1)
    for duration in durations:
        counts[latency_class(duration)] += 1
    true = next(one for place, one in enumerate(sorted(durations), 1) if place >= len(durations) * share)
    found, place = quantile(counts, LATENCY_EDGES_MS, share), latency_class(true)
    assert found is not None
    lowest = LATENCY_EDGES_MS[place - 1] if place else 0
    highest = LATENCY_EDGES_MS[place] if place < len(LATENCY_EDGES_MS) else LATENCY_EDGES_MS[-1]
    assert min(lowest, highest) <= found <= highest


def test_without_anything_there_is_no_quantile() -> None:
    assert quantile([0] * 11, LATENCY_EDGES_MS, 0.5) is None


def test_an_edge_belongs_to_the_class_that_ends_there() -> None:
    assert [latency_class(ms) for ms in (0, 10, 11, 10_000, 10_001)] == [0, 0, 1, 9, 10]
