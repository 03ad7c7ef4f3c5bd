"""A steady load, and what its clients feel while the daemon does something beside it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.daemon import MeasuredDaemon
from tests.bench.figures import Figure
from tests.bench.latency import Percentiles, percentiles
from tests.bench.paced_load import submit_paced
from tests.bench.workbench import Bench, middle

# Half of what goes end to end.
_RATE, _QUICK_RATE = 300, 50


@dataclass(frozen=True, slots=True)
class Served:
    """One round of load: what each answer took, and how many events and deliveries a second were done meanwhile."""

    accept: Percentiles
    accepted: float
    delivered: float


async def serve(bench: Bench, daemon: MeasuredDaemon) -> Served:
    """Submit events at the rate for a while; then let the daemon deliver what is left."""
    rate, seconds = rate_of(bench), 5 * bench.seconds
    before, began = await _succeeded(daemon), time.perf_counter()
    answered = await submit_paced(daemon, rate, rate * seconds)
    delivered = (await _succeeded(daemon) - before) / (time.perf_counter() - began)
    await daemon.until_succeeded(int(before) + len(answered))
    sent, read = zip(*answered.values(), strict=True)
    accepted = len(answered) / ((max(read) - min(sent)) / 1e9)
    return Served(percentiles([end - start for start, end in answered.values()]), accepted, delivered)


async def _succeeded(daemon: MeasuredDaemon) -> float:
    return (await daemon.counts())['deliveries_total{status="succeeded"}']


def rate_of(bench: Bench) -> int:
    """Return how many events are submitted a second."""
    return _QUICK_RATE if bench.quick else _RATE


def compare(what: str, beside: str, without: Sequence[Served], during: Sequence[Served]) -> list[Figure]:
    """Return figures of the load alone, and of the same load with something beside it."""
    measures: dict[str, tuple[str, Callable[[Served], float]]] = {
        "accept, p50": ("ms", lambda served: served.accept.p50),
        "accept, p99": ("ms", lambda served: served.accept.p99),
        "accepted": ("events/s", lambda served: served.accepted),
        "delivered": ("deliveries/s", lambda served: served.delivered),
    }
    figures = []
    for name, (unit, of) in measures.items():
        alone, both = (middle([of(served) for served in each]) for each in (without, during))
        figures.append(Figure(f"{what}, {name}, without", alone, unit))
        figures.append(Figure(f"{what}, {name}, {beside}", both, unit, ratio=both / alone))
    return figures
