"""The router's inbox: submissions that wait for their commit, queued fairly by team, and how much may wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from daemon.actors.fair_queue import FairQueue
from daemon.actors.shares import Share
from daemon.domain.errors import Overloaded, SubmissionTooLarge

# Roughly how many the store creates per second under load: used for Retry-After.
_DELIVERIES_PER_S = 10_000
_LONGEST_RETRY_S = 30

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class InboxLimits:
    """How much may wait for its commit before submissions are refused, of all teams together."""

    events: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Load:
    """How much a submission contains for one team."""

    events: int = 0
    size_bytes: int = 0
    deliveries: int = 0


class Inbox(Generic[Item]):
    """A fair queue with limits. Loads are by team; what is held counts until it is released.

    `deliveries` counts all that are still to be created, including those of accepted events.
    """

    def __init__(self, limits: InboxLimits, deliveries: Share) -> None:
        self.queue: FairQueue[Item] = FairQueue()
        self._events = Share(limits.events)
        self._bytes = Share(limits.size_bytes)
        self._deliveries = deliveries

    @property
    def events(self) -> int:
        """How many events are held."""
        return self._events.taken

    def require_room(self, loads: Mapping[str, Load]) -> None:
        """Raise SubmissionTooLarge for what can never be held, Overloaded for what cannot be held now."""
        for what, share, amounts in self._amounts(loads):
            if max(amounts.values()) > share.most:
                raise SubmissionTooLarge(what, max(amounts.values()), share.most)
            if sum(amounts.values()) > share.limit:
                raise SubmissionTooLarge(what, sum(amounts.values()), share.limit)
        for what, share, amounts in self._amounts(loads):
            fits = share.taken + sum(amounts.values()) <= share.limit
            if not fits or not all(share.fits(team, amount) for team, amount in amounts.items()):
                raise Overloaded(f"too many {what} are queued: send it again in a moment", self._retry_after_s(loads))

    def hold(self, loads: Mapping[str, Load]) -> None:
        """Count these loads as waiting."""
        for _, share, amounts in self._amounts(loads):
            for team, amount in amounts.items():
                share.take(team, amount)

    def release(self, loads: Mapping[str, Load]) -> None:
        """Stop counting them."""
        for _, share, amounts in self._amounts(loads):
            for team, amount in amounts.items():
                share.give_back(team, amount)

    def _amounts(self, loads: Mapping[str, Load]) -> tuple[tuple[str, Share, dict[str, int]], ...]:
        return (
            ("events", self._events, {team: load.events for team, load in loads.items()}),
            ("bytes", self._bytes, {team: load.size_bytes for team, load in loads.items()}),
            ("deliveries", self._deliveries, {team: load.deliveries for team, load in loads.items()}),
        )

    def _retry_after_s(self, loads: Mapping[str, Load]) -> int:
        waiting = max(self._deliveries.of(team) for team in loads)
        return min(_LONGEST_RETRY_S, 1 + waiting // _DELIVERIES_PER_S)
