"""Tells whoever owns a webhook that it has new deliveries (architecture "Nodes").

What is told carries no delivery: another node may have committed one with a lower number that is not known here yet.
So the owner's actor reads from the database, lowest number first, and hints only say that it should.
"""

from collections.abc import Callable, Iterable, Sequence

import trio

from daemon.cluster.caller import Caller
from daemon.delivery.fleet import Fleet
from daemon.delivery.timers import Timers
from daemon.domain.model import Work
from daemon.store import channels

# To wake an actor may start it: so many take a millisecond or two.
_WAKES_PER_YIELD = 10


class Wakes:
    """The `daemon.delivery.owners.Owners` of a cluster: this node's fleet, and all other nodes."""

    def __init__(self, *, fleet: Fleet, timers: Timers, owns: Callable[[str], bool], caller: Caller) -> None:
        self._fleet = fleet
        self._timers = timers
        self._owns = owns
        self._caller = caller

    async def offer_all(self, work: Sequence[tuple[str, Work]]) -> None:
        """Wake the owners of these deliveries' webhooks, yielding to other tasks in between."""
        webhook_ids = list(dict.fromkeys(webhook_id for webhook_id, _ in work))
        for place in range(0, len(webhook_ids), _WAKES_PER_YIELD):
            self.wake(webhook_ids[place : place + _WAKES_PER_YIELD])
            if place:
                await trio.lowlevel.checkpoint()

    def wake(self, webhook_ids: Iterable[str]) -> None:
        """Wake the owners of these webhooks."""
        others = []
        for webhook_id in webhook_ids:
            if self._owns(webhook_id):
                self._fleet.wake((webhook_id,))
            else:
                others.append(webhook_id)
        if others:
            self._caller.call(channels.WAKES, others)

    def note_time(self, at: int) -> None:
        """Have all nodes take note of a time: whoever owns the webhook then sees to it."""
        self._timers.note_time(at)
        self._caller.call(channels.TIMES, (str(at),))

    def wake_all(self) -> None:
        """Have all actors that run here check the database."""
        self._fleet.wake_all()
