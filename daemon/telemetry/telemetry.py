"""What an actor reports through: the log, the metrics, the spans, and the change feed."""

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.metrics import Metrics
from daemon.telemetry.tracing import NO_SPANS, Spans


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Reporting never blocks, and no decision depends on it."""

    log: FilteringBoundLogger
    metrics: Metrics
    changes: ChangeFeed
    spans: Spans = NO_SPANS
