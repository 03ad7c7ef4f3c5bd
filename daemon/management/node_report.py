"""What a node says of itself: how many events it accepts a second, and which of its webhooks are parked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import trio

# The rest are in the metric, and in the log.
MOST_PARKED = 20
# Others keep it in a row that each of our transactions locks: it is to change seldom.
_KEPT_S = 10


class Report(msgspec.Struct, frozen=True):
    """One report. `pace`: events accepted a second in the last minute; `parked`: the first parked webhooks."""

    pace: float
    parked: tuple[str, ...]


@dataclass(slots=True)
class Reporter:
    """Makes reports from `accepted()`, the events of the last minute, and the parked webhooks."""

    accepted: Callable[[], int]
    parked: Callable[[], Sequence[str]]
    _kept: str = field(default="", init=False)
    _until: float = field(default=0, init=False)

    def now(self) -> Report:
        """Return how it is now."""
        return Report(round(self.accepted() / 60, 1), tuple(self.parked()[:MOST_PARKED]))

    def as_json(self) -> str:
        """Return a report that is at most 10 s old, as JSON."""
        if trio.current_time() >= self._until:
            self._kept, self._until = msgspec.json.encode(self.now()).decode(), trio.current_time() + _KEPT_S
        return self._kept
