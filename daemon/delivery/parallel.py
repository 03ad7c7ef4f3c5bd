"""Several deliveries of one webhook at once (contract "Options of a webhook", `concurrency`).

Theory of operation
~~~~~~~~~~~~~~~~~~~

While a webhook has it so, the delivering task of its actor gives each delivery a lane: a task of its own, with its own
waits. A lane does what `delivering` does with one delivery, no more; all that `daemon.delivery.endpoint` says of
`transition`, of changes and of outcomes holds for each of them. What is added here:

- *Turns.* There are `concurrency` of them, each with its own sender: its connection and its slot. A lane has one while
  it is under way, and gives it back for the time that it waits for a retry; a retry comes before what was not begun
  yet. At most `MOST_WAITING` lanes wait so. When there are as many, nothing else begins until one of them is over.
- *Never twice.* Pages are read while deliveries are under way and outcomes are open: in the database these are
  pending. `taken` are all of them when the reading begins. They are left out of the page, and so many more rows are
  read. What is not taken then was over and committed before the snapshot, or was never begun. What a change drops
  later is missing in the page although it is pending: but such a change also clears the queue, so this page is thrown
  away. A delivery that steps aside is brought back by `Mailbox.mark_overtaken`, which has the same effect.
- *The order of outcomes.* An attempt's outcome is judged under `transition`, by the webhook as the outcome before it
  has left it. So counting and disabling follow the order in which attempts end, and that is the order of their commits.
- *Disabling, pauses, changes* drop what waits in lanes, like anything else that was read ahead; a delivery in flight
  finishes, and its row is left alone until then (`EndpointState.in_flight_seqs`).
- *What a kill repeats.* Before an attempt begins fewer than `MOST_OPEN` outcomes are open. So at most
  `concurrency + MOST_OPEN - 1` deliveries are under way or open: for one at a time, these are `MOST_OPEN`.
- *The end.* When the webhook goes back to one at a time, or the actor is told to stop, no lane waits any longer. Those
  in flight finish; then this is over.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.delivery.delivering import Delivering
from daemon.delivery.endpoint_state import EndpointState, Lane
from daemon.delivery.mailbox import Mailbox
from daemon.delivery.sender import Sender
from daemon.domain.model import Work

# How many deliveries of one webhook may wait in memory for their retries.
MOST_WAITING = 64


class Turns:
    """Who may make an attempt: `concurrency` at once, each with a sender of its own.

    `freed` is called when there may be a turn for a delivery that was not begun yet.
    """

    __slots__ = ("_idle", "_make_sender", "_returning", "_senders", "_state", "taken")

    def __init__(self, state: EndpointState, first: Sender, make_sender: Callable[[], Sender]) -> None:
        self._state = state
        self._make_sender = make_sender
        self._senders = [first]
        self._idle = [first]
        self._returning = trio.lowlevel.ParkingLot()
        self.taken = 0

    @property
    def is_one_free(self) -> bool:
        """Whether one may be taken now, and nobody waits for it."""
        return self.taken < self._state.webhook.options.concurrency and not self._returning

    def take(self) -> Sender:
        """Take one that is free, and return its sender."""
        self.taken += 1
        return self._take_sender()

    def give_back(self, sender: Sender) -> None:
        """Give it to whoever waits for its retry; else it is free."""
        self._idle.append(sender)
        if self._returning and self.taken <= self._state.webhook.options.concurrency:
            self._returning.unpark()
            return
        self.taken -= 1
        self._state.pause.end()

    async def retake(self) -> Sender:
        """Wait for one, before all deliveries that were not begun yet."""
        if self.is_one_free:
            return self.take()
        await self._returning.park()  # on waking up, this lane has it
        return self._take_sender()

    def close_connections(self) -> None:
        """Close those that are idle."""
        for sender in self._idle:
            sender.close()

    def close(self) -> None:
        """Close all senders."""
        for sender in self._senders:
            sender.close()

    def _take_sender(self) -> Sender:
        if not self._idle:
            self._senders.append(self._make_sender())
            return self._senders[-1]
        return self._idle.pop()


@dataclass(slots=True, eq=False, kw_only=True)
class ParallelLane(Lane):
    """Gives its turn back while it waits for a retry."""

    turns: Turns
    has_turn: bool = True

    async def back_off(self, seconds: float) -> None:
        """Wait without a turn, then for one; without one, the delivery is not due any more."""
        if seconds <= 0:
            return
        self.give_turn_back()
        await self.pause.wait(seconds)
        if self.current is not None and await self.pause.wait(math.inf, self._retake):
            self.sender.wait_with(self.pause)

    def give_turn_back(self) -> None:
        """Give it back, if it is held."""
        if self.has_turn:
            self.has_turn = False
            self.turns.give_back(self.sender)

    async def _retake(self) -> None:
        self.sender = await self.turns.retake()
        self.has_turn = True


class Parallel:
    """Of one actor: makes several deliveries at once. `next_work` takes what comes next, None for nothing now."""

    __slots__ = ("_delivering", "_lanes", "_mailbox", "_next_work", "_state", "_turns", "is_on")

    def __init__(
        self,
        state: EndpointState,
        mailbox: Mailbox,
        next_work: Callable[[], Awaitable[Work | None]],
        *,
        delivering: Delivering,
        turns: Turns,
    ) -> None:
        self._state = state
        self._mailbox = mailbox
        self._next_work = next_work
        self._delivering = delivering
        self._turns = turns
        self._lanes: list[ParallelLane] = []
        self.is_on = False

    @property
    def taken(self) -> frozenset[int]:
        """The places of what is under way or open, and pending in the database."""
        open_ones = (recording.work.seq for recording in self._state.outcomes.recordings)
        return frozenset((*open_ones, *(lane.current.seq for lane in self._lanes if lane.current)))

    async def read(self, limit: int, read_pending: Callable[[int], Awaitable[Sequence[Work]]]) -> Sequence[Work]:
        """Read the first pending deliveries that are not taken, at most `limit`; fewer if there are no more."""
        taken = self.taken
        page = await read_pending(limit + len(taken))
        return [work for work in page if work.seq not in taken][:limit]

    async def deliver(self) -> None:
        """Deliver while there is anything to deliver, the webhook has it so, and nobody asked to stop."""
        state, self.is_on = self._state, True
        try:
            async with trio.open_nursery() as nursery:
                while self._goes_on and await self._begin_next(nursery):
                    pass
                for lane in self._lanes:
                    lane.pause.close()
        finally:
            self.is_on = False
        await state.outcomes.all_committed()

    @property
    def _goes_on(self) -> bool:
        return self._state.webhook.options.concurrency > 1 and not self._state.pause.closed

    @property
    def _may_begin(self) -> bool:
        waiting = len(self._lanes) - self._turns.taken
        return self._turns.is_one_free and waiting < MOST_WAITING and self._goes_on and not self._state.is_paused

    async def _begin_next(self, nursery: trio.Nursery) -> bool:
        """Begin the next delivery, or wait until there may be one; return False if there is none now."""
        state, queue = self._state, self._delivering.queue
        if not self._may_begin:
            if state.is_paused:
                queue.clear()  # also what was taken and not begun
            return await self._wait(state.wait_until_resumed if state.is_paused else trio.sleep_forever)
        await state.outcomes.soon_below_limit()
        if not self._may_begin:
            return True
        sender = self._turns.take()
        work = await self._next_work()
        if work is None:
            self._turns.give_back(sender)
            return await self._wait(self._mailbox.wait_for_work)
        if not self._goes_on:
            self._turns.give_back(sender)
            queue.clear()  # it was taken, and is not begun
            return False
        self._start(nursery, work, sender)
        return True

    async def _wait(self, until: Callable[[], Awaitable[None]]) -> bool:
        """Wait for something that changes what may begin, while any lane may bring it; return whether one may."""
        if not self._lanes:
            return False
        await self._state.pause.wait(math.inf, until)
        return True

    def _start(self, nursery: trio.Nursery, work: Work, sender: Sender) -> None:
        self._state.outcomes.hurry()
        lane = ParallelLane(pause=Pause(), sender=sender, current=work, turns=self._turns)
        sender.wait_with(lane.pause)
        self._lanes.append(lane)
        self._state.lanes.append(lane)
        nursery.start_soon(self._bring_to_its_end, work, lane)

    async def _bring_to_its_end(self, work: Work, lane: ParallelLane) -> None:
        try:
            await self._delivering.process(work, lane)
        finally:
            self._lanes.remove(lane)
            self._state.lanes.remove(lane)
            lane.give_turn_back()
            self._state.pause.end()
