"""What an actor tells with: the log, the metrics, the spans, and the change feed."""

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.metrics import Metrics
from daemon.telemetry.tracing import NO_SPANS, Spans


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Nothing that is told here is ever waited for, and none of it decides anything."""

    log: FilteringBoundLogger
    metrics: Metrics
    changes: ChangeFeed
    spans: Spans = NO_SPANS
