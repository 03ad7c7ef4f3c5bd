"""The last hour of this process, minute by minute, in memory: what was done, what waited, and what took how long."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import trio
from prometheus_client import Counter, Histogram

from daemon.domain.clock import Clock
from daemon.domain.errors import StoreUnavailable
from daemon.domain.latencies import quantile
from daemon.domain.model import DeliveryStatus
from daemon.store.reads.backlog import count_backlog
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

MINUTES = 60
_MINUTE_S = 60
BACKLOG_COUNTED = 100_000
_ENDS = (DeliveryStatus.SUCCEEDED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)

# The p50 and the p95 (ms), None without anything.
Quantiles = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Minute:
    """The minute that ended at `at` (ms).

    How many events were accepted and deliveries ended; how many deliveries were pending at its end (`backlog_is_more`:
    at least so many), and for how long the oldest (ms), None if the database failed; what half and 95 of 100 of the
    attempts and of the commits did not exceed (ms), None without any.
    """

    at: int
    accepted: int
    ended: int
    backlog: int | None
    backlog_is_more: bool
    oldest_ms: int | None
    attempt_p50_ms: float | None
    attempt_p95_ms: float | None
    commit_p50_ms: float | None
    commit_p95_ms: float | None


class LastHour:
    """An actor. Durations are those of the metrics' histograms: exact to their buckets, and estimated within them."""

    def __init__(self, *, store: Store, clock: Clock, telemetry: Telemetry) -> None:
        self._reader = store.reader
        self._now_ms = clock.now_ms
        self._metrics = telemetry.metrics
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)

    @property
    def minutes(self) -> Sequence[Minute]:
        """The minutes that are known, at most 60, the oldest first."""
        return tuple(self._minutes)

    async def run(self) -> None:
        """Keep a minute whenever one has ended, until cancelled."""
        attempts = _Durations(self._metrics.attempt_duration_seconds)
        commits = _Durations(self._metrics.commit_duration_seconds)
        accepted, ended = self._accepted(), self._ended()
        while True:
            await trio.sleep(_MINUTE_S)
            before, (accepted, ended) = (accepted, ended), (self._accepted(), self._ended())
            done = accepted - before[0], ended - before[1]
            self._minutes.append(await self._minute(done, attempts.news(), commits.news()))

    def _accepted(self) -> int:
        return _total(self._metrics.events_accepted)

    def _ended(self) -> int:
        return sum(_total(self._metrics.deliveries[status]) for status in _ENDS)

    async def _minute(self, done: tuple[int, int], attempts: Quantiles, commits: Quantiles) -> Minute:
        backlog, is_more, oldest_ms = await self._waiting()
        return Minute(
            at=self._now_ms(),
            accepted=done[0],
            ended=done[1],
            backlog=backlog,
            backlog_is_more=is_more,
            oldest_ms=oldest_ms,
            attempt_p50_ms=attempts[0],
            attempt_p95_ms=attempts[1],
            commit_p50_ms=commits[0],
            commit_p95_ms=commits[1],
        )

    async def _waiting(self) -> tuple[int | None, bool, int | None]:
        try:
            found = await count_backlog(self._reader, limit=BACKLOG_COUNTED)
        except StoreUnavailable:
            return None, False, None
        return found.count, found.more, 0 if found.since is None else max(0, self._now_ms() - found.since)


class _Durations:
    """A histogram of seconds, of which only what is new is wanted."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._seen = self._counts()

    def news(self) -> Quantiles:
        """Return those of what was observed since the last call."""
        seen, self._seen = self._seen, self._counts()
        sums = [now - before for now, before in zip(self._seen.values(), seen.values(), strict=True)]
        counts = [after - before for before, after in zip([0.0, *sums], sums, strict=False)]
        edges = [1000 * float(edge) for edge in seen][:-1]
        return quantile(counts, edges, 0.5), quantile(counts, edges, 0.95)

    def _counts(self) -> dict[str, float]:
        """Return how many were at most as long as each edge."""
        [metric] = self._histogram.collect()
        return {sample.labels["le"]: sample.value for sample in metric.samples if sample.name.endswith("_bucket")}


def _total(counter: Counter) -> int:
    return round(
        sum(one.value for metric in counter.collect() for one in metric.samples if one.name.endswith("_total"))
    )
