"""The metrics of a node that shares its database with others; a daemon on SQLite has none of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_PREFIX = "kakiyo_webhooks_"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMetrics:
    """Where each metric is read at a scrape, in the order of `docs/metrics.md`."""

    lease_held: Callable[[], bool]
    leases_lost: Callable[[], int]
    shards_owned: Callable[[], int]
    shards_claimed: Callable[[], int]
    waiting_requests: Callable[[], int]
    doubtful_commits: Callable[[], int]
    notify_echo_age_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class NodeCollector(Collector):
    """Reads them; to be registered with the other metrics' registry."""

    read: NodeMetrics = field(repr=False)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """See prometheus_client."""
        read = self.read
        yield _gauge("lease_held", "1 while this node's lease is valid", read.lease_held())
        yield _counter("leases_lost", "Lives of this node that others ended, taking it for dead", read.leases_lost())
        yield _gauge("shards_owned", "Shards that this node delivers for, of 256", read.shards_owned())
        yield _counter("shards_claimed", "Shards that this node took over", read.shards_claimed())
        yield _gauge("waiting_requests", "Changes to webhooks that other nodes are to make", read.waiting_requests())
        yield _counter("doubtful_commits", "Commits whose answer was lost", read.doubtful_commits())
        yield _gauge("notify_echo_age_seconds", "Since this node heard its own notice", read.notify_echo_age_s())


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, meaning, value=value)
