"""Repeated identical warnings: the first few are logged, the rest are only counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

WINDOW_S = 60
_LOGGED = 5  # of each in a window
# Lines about one delivery or one mail are never the same: each is a step of its history.
_UNIQUE = frozenset({"deliveryId", "mailId"})
_VARYING = frozenset({"timestamp", "retryInMs", "restarts", "durationMs", "traceback", "exc_info"})
_MOST_KEYS = 1_000

_Key = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class LogThrottle:
    """The warnings in this window, and how often each came. A structlog processor."""

    _seen: dict[_Key, int] = field(default_factory=dict)

    def __call__(self, logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
        """Let a line pass, or drop it if it is a warning or an error that was logged often enough in this window."""
        if method in ("warning", "error") and not self._admits(fields):
            raise structlog.DropEvent
        return fields

    def end_window(self) -> list[tuple[str, int]]:
        """Return the names of the lines that were dropped, each with how many; and begin a new window."""
        dropped = [(dict(key)["event"], count - _LOGGED) for key, count in self._seen.items() if count > _LOGGED]
        self._seen.clear()
        return dropped

    def _admits(self, fields: Mapping[str, Any]) -> bool:
        if _UNIQUE & fields.keys():
            return True
        key = tuple((name, str(value)) for name, value in fields.items() if name not in _VARYING)
        count = self._seen.get(key, 0) + 1
        if count > 1 or len(self._seen) < _MOST_KEYS:
            self._seen[key] = count
        return count <= _LOGGED


async def report_suppressed(throttle: LogThrottle, log: FilteringBoundLogger) -> None:
    """Log, each minute, what was dropped in it, until cancelled."""
    while True:
        await trio.sleep(WINDOW_S)
        for name, count in throttle.end_window():
            log.warning("log_lines_suppressed", name=name, count=count)
