"""Attempt slots: how many attempts run at once, whose turn it is, and which idle connection is closed for them.

Each attempt and each kept connection holds a descriptor, and those are limited. Slots are shared by groups: one
for each team's healthy webhooks and one for its failing ones, so that neither a team nor hanging receivers take all.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable

import trio

from daemon.actors.mutex import Mutex

# A group may hold up to this multiple of the free slots (dynamic thresholds, as in switch buffers): one group leaves a
# quarter of all slots free, two a seventh, and each slot that is given back goes to the waiting groups in turn.
_SHARE = 3
_WARN_EVERY_S = 60


class AttemptSlots:
    """At most `limit` attempts in flight, further sockets of theirs and idle connections together.

    `warn` is called when attempts have to wait.
    """

    def __init__(self, limit: int, warn: Callable[["AttemptSlots"], None]) -> None:
        self.limit = limit
        self.in_flight = 0
        self.more = 0
        self.waiting = 0
        self._warn = warn
        self._warned_at = -math.inf
        self._held: dict[Hashable, int] = {}
        self._queues: OrderedDict[Hashable, OrderedDict[trio.Event, None]] = OrderedDict()
        self._idle: OrderedDict[Slot, None] = OrderedDict()

    def slot(self, close_connection: Callable[[], None], line: Mutex | None = None) -> "Slot":
        """Return a slot for one webhook, not taken yet; `close_connection` closes the connection that it keeps.

        Of the slots with the same `line`, which are those of one webhook, one at a time waits for its turn: so a
        webhook that makes many attempts at once has one place among those of its team, as any other.
        """
        return Slot(self, close_connection, line or Mutex())

    def try_take(self, slot: "Slot", group: Hashable) -> bool:
        """Take a slot if this group may have one and nobody in it is waiting."""
        if group in self._queues or not self._may_have_more(group):
            return False
        self._idle.pop(slot, None)
        self._grant(group)
        return True

    async def take(self, slot: "Slot", group: Hashable) -> None:
        """Wait for a turn, in order within the group; a cancelled wait takes nothing."""
        turn = trio.Event()
        self._queues.setdefault(group, OrderedDict())[turn] = None
        self.waiting += 1
        self._warn_of_waiting()
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn.is_set():
                self.give_back(group)
            else:
                self._leave_queue(group, turn)
            raise
        self._idle.pop(slot, None)

    def give_back(self, group: Hashable, idle: "Slot | None" = None) -> None:
        """Give a slot back; `idle` still has a connection, which is kept as long as nobody needs its descriptor."""
        self.in_flight -= 1
        held = self._held[group] - 1
        if held:
            self._held[group] = held
        else:
            del self._held[group]
        if idle is not None:
            self._idle[idle] = None
        if self._queues:
            self._serve_waiting()
        self._make_room()

    def try_take_more(self, group: Hashable) -> bool:
        """Take a descriptor for one more socket of an attempt of this group, unless attempts wait for theirs."""
        if self._queues or not self._may_have_more(group):
            return False
        self.more += 1
        self._held[group] += 1
        self._make_room()
        return True

    def give_back_more(self, group: Hashable, count: int) -> None:
        """Give back this many descriptors of an attempt that goes on."""
        self.more -= count
        self._held[group] -= count
        self._serve_waiting()

    def release_idle(self, slot: "Slot") -> None:
        """Stop counting this webhook's connection: it is closed."""
        self._idle.pop(slot, None)

    def _may_have_more(self, group: Hashable) -> bool:
        free = self.limit - self.in_flight - self.more
        return free > 0 and self._held.get(group, 0) < _SHARE * free

    def _grant(self, group: Hashable) -> None:
        self.in_flight += 1
        self._held[group] = self._held.get(group, 0) + 1
        self._make_room()

    def _make_room(self) -> None:
        while self._idle and self.in_flight + self.more + len(self._idle) > self.limit:
            oldest, _ = self._idle.popitem(last=False)
            oldest.close_connection()

    def _serve_waiting(self) -> None:
        """Give the free slots to the groups in turn, each to its first in line."""
        while self.in_flight + self.more < self.limit and (group := self._next_group()) is not None:
            queue = self._queues[group]
            turn, _ = queue.popitem(last=False)
            turn.set()
            self.waiting -= 1
            self._grant(group)
            if queue:
                self._queues.move_to_end(group)
            else:
                del self._queues[group]

    def _next_group(self) -> Hashable | None:
        return next(filter(self._may_have_more, self._queues), None)

    def _leave_queue(self, group: Hashable, turn: trio.Event) -> None:
        queue = self._queues[group]
        del queue[turn]
        self.waiting -= 1
        if not queue:
            del self._queues[group]

    def _warn_of_waiting(self) -> None:
        if trio.current_time() - self._warned_at >= _WARN_EVERY_S:
            self._warned_at = trio.current_time()
            self._warn(self)


class Slot:
    """A slot of one webhook: taken around an attempt, idle while only its connection is kept."""

    __slots__ = ("_group", "_line", "_slots", "close_connection")

    def __init__(self, slots: AttemptSlots, close_connection: Callable[[], None], line: Mutex) -> None:
        self.close_connection = close_connection
        self._line = line
        self._slots = slots
        self._group: Hashable | None = None

    def try_take(self, team_id: str, failing: bool) -> bool:
        """Take the slot without waiting; return whether that was possible."""
        group = (team_id, failing)
        taken = self._slots.try_take(self, group)
        self._group = group if taken else None
        return taken

    async def take(self, team_id: str, failing: bool) -> None:
        """Take the slot as soon as it is this webhook's turn."""
        group = (team_id, failing)
        async with self._line:
            await self._slots.take(self, group)
        self._group = group

    def give_back(self, keeps_connection: bool = False) -> None:
        """Give the slot back, if it is taken."""
        group, self._group = self._group, None
        if group is not None:
            self._slots.give_back(group, self if keeps_connection else None)

    def try_take_more(self) -> bool:
        """Take one more descriptor for the attempt, if it can be had now; return whether it was."""
        return self._group is not None and self._slots.try_take_more(self._group)

    def give_back_more(self, count: int) -> None:
        """Give back so many of these descriptors, before the slot itself."""
        if self._group is not None:
            self._slots.give_back_more(self._group, count)

    def close(self) -> None:
        """Give back what is held; the connection is already closed."""
        self.give_back()
        self._slots.release_idle(self)
