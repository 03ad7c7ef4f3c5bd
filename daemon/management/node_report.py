"""What a node says of itself: how many events it accepts, which webhooks are parked, and what others have to share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import trio

from daemon.store.nodes import Terms

# The rest are in the metric, and in the log.
MOST_PARKED = 20
# Others keep it in a row that each of our transactions locks: it is to change seldom.
_KEPT_S = 10


class Report(msgspec.Struct, frozen=True):
    """One report. `pace`: events accepted a second in the last minute; `parked`: the first parked webhooks.

    `sealing` is the fingerprint of the key that it seals secrets with.
    """

    pace: float
    parked: tuple[str, ...]
    sealing: str
    terms: Terms


@dataclass(slots=True)
class Reporter:
    """Makes reports from `accepted()`, the events of the last minute, the parked webhooks, and what is in effect."""

    accepted: Callable[[], int]
    parked: Callable[[], Sequence[str]]
    sealing: Callable[[], str] = str
    terms: Callable[[], Terms] = Terms
    _kept: str = field(default="", init=False)
    _until: float = field(default=0, init=False)
    _sealing: str = field(default="", init=False)

    def now(self) -> Report:
        """Return how it is now."""
        pace, parked = round(self.accepted() / 60, 1), tuple(self.parked()[:MOST_PARKED])
        return Report(pace, parked, sealing=self.sealing(), terms=self.terms())

    def as_json(self) -> str:
        """Return a report that is at most 10 s old, as JSON; whoever rotates the key waits for `sealing`."""
        if trio.current_time() >= self._until or self.sealing() != self._sealing:
            report = self.now()
            self._kept, self._until = msgspec.json.encode(report).decode(), trio.current_time() + _KEPT_S
            self._sealing = report.sealing
        return self._kept
