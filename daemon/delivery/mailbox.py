"""An endpoint actor's mailbox: hints of new deliveries, and changes to its webhook.

The database is the queue; hints only save reads. Invariant: while `behind` is False, every pending delivery
that the actor has not taken up yet is among the hints, in order. A full mailbox drops what it holds and is behind:
the actor then continues from the database.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from daemon.actors.reply import Reply
from daemon.domain.changes import WebhookChange
from daemon.domain.model import Webhook, Work
from daemon.store.commands import Cancelled, Command, SaveWebhook
from daemon.store.expiry_commands import CancelForEvent
from daemon.store.job_commands import CancelForJob

CAPACITY = 64


# What carries out a change.
ChangeCommand = SaveWebhook | CancelForJob | CancelForEvent


@dataclass(slots=True)
class Change:
    """A change to a webhook, made by its actor between two steps of a delivery. Answers with the changed webhook.

    `abandoned` is set by a caller that has stopped waiting: the change must then not be applied. `wrap` may wrap the
    command that carries it out in one of the caller's.
    """

    what: WebhookChange
    wrap: Callable[[ChangeCommand], Command[Cancelled]] = lambda command: command
    reply: Reply[Webhook | None] = field(default_factory=Reply)
    abandoned: bool = False


class Mailbox:
    """Owned by the fleet, so that it outlives a crash of its actor. Putting something in never blocks."""

    __slots__ = ("_change_waiters", "_work_waiters", "behind", "changes", "hints", "low", "more_low", "overtaken")

    def __init__(self) -> None:
        self.behind = True
        self.overtaken = False
        self.hints: deque[Work] = deque()
        self.low: deque[Work] = deque()  # of low priority
        self.more_low = False  # there may be more of these in the database
        self.changes: deque[Change] = deque()
        self._work_waiters = trio.lowlevel.ParkingLot()
        self._change_waiters = trio.lowlevel.ParkingLot()

    def offer(self, work: Work) -> None:
        """Hint at a delivery that was just committed. Hints come in the order of `seq`."""
        if self.behind:
            return
        if work.low:
            self._offer_low(work)
        elif len(self.hints) < CAPACITY:
            self.hints.append(work)
        else:
            self.mark_stale()
        self._work_waiters.unpark_all()

    def _offer_low(self, work: Work) -> None:
        if self.more_low or len(self.low) == CAPACITY:
            self.low.clear()
            self.more_low = True
        else:
            self.low.append(work)

    def request_change(self, change: Change) -> None:
        """Ask for a change; it is made even while a delivery waits for its retry."""
        self.changes.append(change)
        self._change_waiters.unpark_all()

    def mark_stale(self) -> None:
        """Drop the hints: the database has them all."""
        self.hints.clear()
        self.low.clear()
        self.behind = True
        self._work_waiters.unpark_all()

    def mark_overtaken(self) -> None:
        """Drop the hints, and have what was read ahead dropped, too: something has a place before it."""
        self.overtaken = True
        self.mark_stale()

    def mark_fresh(self) -> None:
        """Take hints again: call it before reading the database, so that nothing is missed in between."""
        self.behind = self.overtaken = self.more_low = False

    @property
    def empty(self) -> bool:
        """Whether nothing waits here."""
        return not (self.hints or self.behind or self.low or self.more_low or self.changes)

    async def wait_for_work(self) -> None:
        """Wait until there is a hint, or a reason to read the database."""
        while not (self.hints or self.behind or self.low or self.more_low):
            await self._work_waiters.park()

    async def wait_for_change(self) -> None:
        """Wait until a change is asked for."""
        while not self.changes:
            await self._change_waiters.park()
