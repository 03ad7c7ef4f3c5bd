"""The gauges that are read at a scrape: values in memory, and an actor that reads the database and the disk.

A scrape waits a second at most for that actor. While the database or the disk fails, the last values stay, so that an
alert based on them stays, too.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import trio
from prometheus_client import Gauge

from daemon.actors.threads import RunInThread
from daemon.delivery.attempt_slots import AttemptSlots
from daemon.delivery.credit_gate import Gate
from daemon.delivery.fleet import Fleet
from daemon.delivery.pace import Paces
from daemon.delivery.router import Router
from daemon.domain.clock import Clock
from daemon.domain.errors import StoreUnavailable
from daemon.egress.lookups import Lookups
from daemon.egress.operator_proxy import OperatorProxy
from daemon.store.engine import Engine
from daemon.store.reads.backlog import count_backlog
from daemon.store.reads.gauge_reads import MailPlace, Waiting, count_mails, count_paused
from daemon.store.reads.reader import Reader
from daemon.store.store import Store
from daemon.telemetry.metrics import Metrics
from daemon.telemetry.telemetry import Telemetry

FRESH_S = 5
LONGEST_WAIT_S = 1
# With a large backlog to count, values stay fresh for this multiple of the time that reading them took.
_FRESH_PER_READ = 20
_PAUSED_COUNTED = 10_000


class GaugeRefresher:
    """Sets the gauges of the backlog, the outbox and the disk. Before the first refresh they are NaN."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, run_in_thread: RunInThread, engine: Engine
    ) -> None:
        self._reader = store.reader
        self._run_in_thread = run_in_thread
        self._engine = engine
        self._now_ms = clock.now_ms
        self._metrics = metrics = telemetry.metrics
        self._fresh_until = -math.inf
        self._requested = trio.Event()
        self._refreshed = trio.Event()
        for gauge in _gauges(metrics):
            gauge.set(math.nan)

    async def refresh(self) -> None:
        """Have the gauges refreshed unless they are fresh; wait a second at most. Never fails."""
        if trio.current_time() >= self._fresh_until:
            self._requested.set()
            with trio.move_on_after(LONGEST_WAIT_S):
                await self._refreshed.wait()

    async def run(self) -> None:
        """Refresh the gauges whenever requested, until cancelled."""
        while True:
            await self._requested.wait()
            started = trio.current_time()
            try:
                await self._read_disk()
                await self._read_store()
            finally:
                now = trio.current_time()
                self._fresh_until = now + max(FRESH_S, (now - started) * _FRESH_PER_READ)
                self._refreshed.set()
                # This refresh also serves requests made while it ran. A request made before `run` is kept.
                self._requested, self._refreshed = trio.Event(), trio.Event()

    async def _read_disk(self) -> None:
        metrics = self._metrics
        with suppress(OSError):
            use = await self._run_in_thread(self._engine.disk_use)
            metrics.database_bytes.set(use.database)
            _set_known(metrics.database_wal_bytes, use.wal)
            _set_known(metrics.state_dir_free_bytes, use.free)
            _set_known(metrics.state_dir_size_bytes, use.size)
        metrics.lost_commits.set(await self._run_in_thread(self._engine.lost_commits))

    async def _read_store(self) -> None:
        metrics = self._metrics
        with suppress(StoreUnavailable):
            pending, mails = await pending_deliveries(self._reader), await waiting_mails(self._reader)
            self._set(metrics.pending_deliveries, metrics.oldest_pending_delivery_age_seconds, pending)
            metrics.webhooks_paused.set(await self._reader.fetch(count_paused, _PAUSED_COUNTED))
            self._set(metrics.waiting_mails, metrics.oldest_waiting_mail_age_seconds, mails)

    def _set(self, count: Gauge, age_s: Gauge, seen: Waiting) -> None:
        count.set(seen.count)
        age_s.set_function(partial(self._age_s, seen.oldest_at))

    def _age_s(self, oldest_at: int | None) -> float:
        return 0 if oldest_at is None else max(0, self._now_ms() - oldest_at) / 1000


async def pending_deliveries(reader: Reader) -> Waiting:
    """Count the pending deliveries, in parts: deliveries that end meanwhile may be counted."""
    backlog = await count_backlog(reader)
    return Waiting(backlog.count, backlog.since)


async def waiting_mails(reader: Reader) -> Waiting:
    """Count the mails in the outbox, in parts: mails that are sent or deferred meanwhile may be counted."""
    count, oldest = 0, math.inf
    place: MailPlace | None = MailPlace()
    while place is not None:
        part = await reader.fetch(count_mails, place)
        count, place = count + part.count, part.behind
        oldest = oldest if part.oldest_at is None else min(oldest, part.oldest_at)
    return Waiting(count, None if oldest == math.inf else int(oldest))


def bind_gauges(
    telemetry: Telemetry, *, fleet: Fleet, router: Router, gate: Gate, paces: Paces, lookups: Sequence[Lookups]
) -> None:
    """Have the gauges of what is in memory read it at each scrape."""
    metrics, changes = telemetry.metrics, telemetry.changes
    metrics.actors_alive.set_function(lambda: fleet.alive)
    metrics.actors_parked.set_function(lambda: fleet.parked)
    metrics.waiting_events.set_function(lambda: router.waiting_events)
    metrics.teams_waiting_for_credits.set_function(lambda: gate.waiting_teams)
    metrics.webhooks_waiting_for_pace.set_function(lambda: paces.waiting)
    metrics.live_pages.set_function(lambda: changes.followers)
    metrics.lookups_in_progress.set_function(lambda: sum(each.in_progress for each in lookups))
    metrics.lookups_waiting.set_function(lambda: sum(each.waiting for each in lookups))


def bind_attempt_gauges(metrics: Metrics, slots: AttemptSlots) -> None:
    """Have the gauges of attempts read their slots at each scrape."""
    metrics.max_attempts_in_flight.set(slots.limit)
    metrics.attempts_in_flight.set_function(lambda: slots.in_flight)
    metrics.attempts_waiting.set_function(lambda: slots.waiting)


def bind_proxy_gauge(metrics: Metrics, proxy: OperatorProxy | None) -> None:
    """Have the gauge of the settings' proxy read its state at each scrape."""
    metrics.egress_proxy_up.set_function(lambda: proxy is None or not proxy.is_down)


def _set_known(gauge: Gauge, value: int | None) -> None:
    if value is not None:
        gauge.set(value)


def _gauges(metrics: Metrics) -> tuple[Gauge, ...]:
    return (
        metrics.pending_deliveries,
        metrics.webhooks_paused,
        metrics.oldest_pending_delivery_age_seconds,
        metrics.waiting_mails,
        metrics.oldest_waiting_mail_age_seconds,
        metrics.database_bytes,
        metrics.database_wal_bytes,
        metrics.state_dir_free_bytes,
        metrics.state_dir_size_bytes,
    )
