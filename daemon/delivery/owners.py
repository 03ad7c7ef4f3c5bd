"""Who is told of new deliveries: the actors of this process, or the nodes that own the webhooks."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from daemon.delivery.fleet import Fleet
from daemon.delivery.timers import Timers
from daemon.domain.model import Work


class Owners(Protocol):
    """Who delivers: told of new deliveries."""

    async def offer_all(self, work: Sequence[tuple[str, Work]]) -> None:
        """Pass on hints about many deliveries, each with its webhook's id, yielding to other tasks in between."""

    def wake(self, webhook_ids: Iterable[str]) -> None:
        """Have the database checked for deliveries of these webhooks."""

    def note_time(self, at: int) -> None:
        """Have whoever owns a webhook take note of a time (ms) at which something is due."""

    def wake_all(self) -> None:
        """Have all running actors check the database."""


class OnlyOwner:
    """This process, which alone delivers for all webhooks."""

    def __init__(self, fleet: Fleet, timers: Timers) -> None:
        self.offer_all = fleet.offer_all
        self.wake = fleet.wake
        self.wake_all = fleet.wake_all
        self.note_time = timers.note_time
