"""Telemetry for the test of a single actor."""

from io import BytesIO

from structlog.typing import FilteringBoundLogger

from daemon.config.settings import LogSettings
from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.log import make_logger
from daemon.telemetry.metrics import Metrics, make_metrics
from daemon.telemetry.telemetry import Telemetry


def make_telemetry(log: FilteringBoundLogger | None = None, metrics: Metrics | None = None) -> Telemetry:
    """Return new telemetry; without `log`, what is logged is discarded."""
    log = make_logger(LogSettings(), BytesIO()) if log is None else log
    return Telemetry(log, make_metrics() if metrics is None else metrics, changes=ChangeFeed())
