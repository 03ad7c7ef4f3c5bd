"""The metrics of `GET /metrics` (contract "HTTP API"), in a registry of their own.

Label values are fixed and their series are made at the start, so that counting costs one dictionary look-up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from daemon import __version__
from daemon.domain.model import DeliveryStatus, OutcomeKind
from daemon.domain.operations import OperationalType
from daemon.telemetry.peak import Peak
from daemon.telemetry.sliding_count import SlidingCount

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "kakiyo_webhooks_"
# A delivery waits for those before it, for credits, for its webhook's next life.
_DELAY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ATTEMPT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10)
_COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 30)
_BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Refusal(StrEnum):
    """Why a submission was refused."""

    OVERLOADED = "overloaded"
    STOPPING = "stopping"
    STORE_UNAVAILABLE = "store_unavailable"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    UNKNOWN_TEAM = "unknown_team"
    INVALID = "invalid"


class ActorKind(StrEnum):
    """Which role an actor plays (architecture "Supervision and stopping")."""

    ENDPOINT = "endpoint"
    ROUTER = "router"
    STORE = "store"
    NOTIFIER = "notifier"
    HOUSEKEEPER = "housekeeper"
    OBSERVER = "observer"
    CANCELLER = "canceller"
    TIME_INDEXER = "time_indexer"
    CHECKPOINTER = "checkpointer"
    KEY_USES = "key_uses"
    TIMERS = "timers"
    LIVE_LISTENERS = "live_listeners"
    SUBMITTER = "submitter"
    BULK_JOBS = "bulk_jobs"
    ERASER = "eraser"
    LAST_HOUR = "last_hour"
    MEMBERSHIP = "membership"
    FEED = "feed"
    CALLER = "caller"
    SILENCE = "silence"
    LIVE_PAGES = "live_pages"
    ANSWERING = "answering"
    CREDITS = "credits"
    LISTENER = "listener"
    SWEEPER = "sweeper"


class MailResult(StrEnum):
    """The result of one attempt to send an email."""

    SENT = "sent"
    DEFERRED = "deferred"
    GIVEN_UP = "given_up"


_Label = TypeVar("_Label", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that is counted. Count with `metrics.attempts[kind].inc()`, `metrics.commit_batch_size.observe(n)`.

    `recently_*` count events accepted and deliveries ended in the last minute, `longest_*` cover five minutes.
    Gauges are read on demand: give each its source with `metrics.actors_alive.set_function(read)`.
    """

    registry: CollectorRegistry
    events_accepted: Counter
    submissions_refused: Mapping[Refusal, Counter]
    attempts: Mapping[OutcomeKind, Counter]
    deliveries: Mapping[DeliveryStatus, Counter]
    webhooks_disabled: Counter
    credits_consumed: Counter
    commits_failed: Counter
    actor_restarts: Mapping[ActorKind, Counter]
    mails: Mapping[MailResult, Counter]
    operational_events: Mapping[OperationalType, Counter]
    log_lines_dropped: Counter
    first_attempt_delay_seconds: Histogram
    attempt_duration_seconds: Histogram
    accept_duration_seconds: Histogram
    commit_duration_seconds: Histogram
    commit_batch_size: Histogram
    event_loop_lag_seconds: Histogram
    ready: Gauge
    actors_alive: Gauge
    actors_parked: Gauge
    webhooks_paused: Gauge
    waiting_events: Gauge
    pending_deliveries: Gauge
    oldest_pending_delivery_age_seconds: Gauge
    waiting_mails: Gauge
    oldest_waiting_mail_age_seconds: Gauge
    teams_waiting_for_credits: Gauge
    webhooks_waiting_for_pace: Gauge
    attempts_in_flight: Gauge
    max_attempts_in_flight: Gauge
    attempts_waiting: Gauge
    lookups_in_progress: Gauge
    lookups_waiting: Gauge
    egress_proxy_up: Gauge
    open_connections: Gauge
    max_open_connections: Gauge
    live_pages: Gauge
    database_bytes: Gauge
    database_wal_bytes: Gauge
    state_dir_free_bytes: Gauge
    state_dir_size_bytes: Gauge
    lost_commits: Gauge
    recently_accepted: SlidingCount
    recently_ended: SlidingCount
    longest_commit: Peak
    longest_read: Peak
    longest_lag: Peak

    def leave_out_file(self) -> None:
        """Show nothing of a database file: there is none here."""
        for gauge in (self.database_wal_bytes, self.state_dir_free_bytes, self.state_dir_size_bytes):
            self.registry.unregister(gauge)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4; its media type is CONTENT_TYPE."""
        return generate_latest(self.registry)


def make_metrics() -> Metrics:
    """Return new metrics, all zero, with `process_*` and `kakiyo_webhooks_build_info` added."""
    registry = CollectorRegistry()
    longest = Peak(), Peak(), Peak()
    names = "longest_commit_seconds", "longest_read_seconds", "longest_event_loop_lag_seconds"
    meanings = "The longest transaction", "The longest read of the database", "The longest delay of a timer"
    for peak, name, meaning in zip(longest, names, meanings, strict=True):
        _gauge(registry, name, f"{meaning} in the last 5 minutes").set_function(peak.read)
    ProcessCollector(registry=registry)
    _gauge(registry, "build_info", meaning="The running version, as a label", labels=("version",)).labels(
        __version__
    ).set(1)
    return Metrics(
        registry=registry,
        events_accepted=_counter(registry, "events_accepted", "Events accepted and committed"),
        submissions_refused=_counters(
            registry, "submissions_refused", meaning="Submissions refused", label="reason", values=Refusal
        ),
        attempts=_counters(
            registry, "attempts", meaning="HTTP attempts that ended", label="outcome", values=OutcomeKind
        ),
        deliveries=_counters(
            registry, "deliveries", meaning="Deliveries made, and how they ended", label="status", values=DeliveryStatus
        ),
        webhooks_disabled=_counter(registry, "webhooks_disabled", "Webhooks disabled for consecutive failures"),
        credits_consumed=_counter(registry, "credits_consumed", "Credits charged for deliveries that succeeded"),
        commits_failed=_counter(registry, "commits_failed", "Transactions that failed in the database, rolled back"),
        actor_restarts=_counters(
            registry, "actor_restarts", meaning="Crashed actors started again", label="kind", values=ActorKind
        ),
        mails=_counters(registry, "mails", meaning="Attempts to send a mail", label="result", values=MailResult),
        operational_events=_counters(
            registry,
            "operational_events",
            meaning="Operational events submitted",
            label="type",
            values=OperationalType,
        ),
        log_lines_dropped=_counter(
            registry, "log_lines_dropped", "Log lines lost: their reader had stalled or was missing"
        ),
        first_attempt_delay_seconds=_histogram(
            registry,
            "first_attempt_delay_seconds",
            meaning="From a delivery's creation to the start of its first attempt",
            buckets=_DELAY_S,
        ),
        attempt_duration_seconds=_histogram(
            registry, "attempt_duration_seconds", meaning="Attempts' duration", buckets=_ATTEMPT_S
        ),
        accept_duration_seconds=_histogram(
            registry, "accept_duration_seconds", meaning="Submission to commit", buckets=_COMMIT_S
        ),
        commit_duration_seconds=_histogram(
            registry, "commit_duration_seconds", meaning="One transaction", buckets=_COMMIT_S
        ),
        commit_batch_size=_histogram(
            registry, "commit_batch_size", meaning="Commands in one transaction", buckets=_BATCH_SIZES
        ),
        event_loop_lag_seconds=_histogram(
            registry, "event_loop_lag_seconds", meaning="How late a timer was", buckets=_LAG_S
        ),
        ready=_gauge(registry, "ready", "1 while events are accepted, 0 at start and stop"),
        actors_alive=_gauge(registry, "actors_alive", "Endpoint actors running now"),
        actors_parked=_gauge(registry, "actors_parked", "Webhooks parked because their actor kept crashing"),
        webhooks_paused=_gauge(registry, "webhooks_paused", "Webhooks whose deliveries wait until they are resumed"),
        waiting_events=_gauge(registry, "waiting_events", "Events submitted and not yet committed"),
        pending_deliveries=_gauge(registry, "pending_deliveries", "Deliveries that have not ended"),
        oldest_pending_delivery_age_seconds=_gauge(
            registry, "oldest_pending_delivery_age_seconds", "Since the oldest pending delivery was made, 0 without one"
        ),
        waiting_mails=_gauge(registry, "waiting_mails", "Mails in the outbox"),
        oldest_waiting_mail_age_seconds=_gauge(
            registry, "oldest_waiting_mail_age_seconds", "Since the oldest waiting mail was queued, 0 without one"
        ),
        teams_waiting_for_credits=_gauge(registry, "teams_waiting_for_credits", "Teams whose deliveries lack credits"),
        webhooks_waiting_for_pace=_gauge(
            registry, "webhooks_waiting_for_pace", "Webhooks whose next attempt waits for their maxPerSecond"
        ),
        attempts_in_flight=_gauge(registry, "attempts_in_flight", "Attempts under way"),
        max_attempts_in_flight=_gauge(registry, "max_attempts_in_flight", "The limit on attempts in flight"),
        attempts_waiting=_gauge(registry, "attempts_waiting", "Attempts that wait for a descriptor"),
        lookups_in_progress=_gauge(registry, "lookups_in_progress", "Names that are being looked up"),
        lookups_waiting=_gauge(registry, "lookups_waiting", "Attempts and registrations that wait to look up a name"),
        egress_proxy_up=_gauge(registry, "egress_proxy_up", "0 while the proxy of the settings is down, else 1"),
        open_connections=_gauge(registry, "open_connections", "HTTP connections to the API"),
        max_open_connections=_gauge(registry, "max_open_connections", "The limit on HTTP connections"),
        live_pages=_gauge(registry, "live_pages", "Console pages open with live updates"),
        database_bytes=_gauge(registry, "database_bytes", "Size of the database"),
        database_wal_bytes=_gauge(registry, "database_wal_bytes", "Size of its write-ahead log"),
        state_dir_free_bytes=_gauge(registry, "state_dir_free_bytes", "Free on the state directory's file system"),
        state_dir_size_bytes=_gauge(registry, "state_dir_size_bytes", "Size of the state directory's file system"),
        lost_commits=_gauge(registry, "lost_commits", "Acknowledged commits found missing at startup"),
        recently_accepted=SlidingCount(),
        recently_ended=SlidingCount(),
        longest_commit=longest[0],
        longest_read=longest[1],
        longest_lag=longest[2],
    )


def _counter(registry: CollectorRegistry, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(_PREFIX + name, meaning, labels, registry=registry)


def _counters(
    registry: CollectorRegistry, name: str, meaning: str, label: str, values: Iterable[_Label]
) -> Mapping[_Label, Counter]:
    counter = _counter(registry, name, meaning=meaning, labels=(label,))
    return MappingProxyType({value: counter.labels(value.value) for value in values})


def _gauge(registry: CollectorRegistry, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
    return Gauge(_PREFIX + name, meaning, labels, registry=registry)


def _histogram(registry: CollectorRegistry, name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(_PREFIX + name, meaning, registry=registry, buckets=buckets)
