"""A queue that serves teams by what their work costs, not by who comes first (start-time fair queueing)."""

from heapq import heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items of one team come out in order; teams take turns so that each gets the same cost served.

    After "Start-Time Fair Queueing" (Goyal, Vin and Cheng, 1996): an item is tagged with the virtual time at which its
    team's earlier items are served, and the smallest tag comes out first. `put` and `take` are O(log n).
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._served_at: dict[str, float] = {}  # per team, when all that it has put in will have been served
        self._now = 0.0
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, team: str, cost: float, item: Item) -> None:
        """Put an item in, behind those of its team; `cost` is in any unit, the same for all."""
        start = max(self._now, self._served_at.get(team, 0.0))
        self._served_at[team] = start + cost
        self._count += 1
        heappush(self._heap, (start, self._count, item))

    def first(self) -> Item:
        """Return the item that `take` would return."""
        return self._heap[0][2]

    def take(self) -> Item:
        """Take the next item out. Raises IndexError if there is none."""
        self._now, _, item = heappop(self._heap)
        if not self._heap:  # the queue is empty: past service no longer matters
            self._served_at.clear()
            self._now = 0.0
        return item
