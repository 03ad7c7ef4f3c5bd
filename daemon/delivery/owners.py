"""Who is told of new deliveries: the fleet of this process, or the nodes that own the webhooks."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from daemon.domain.model import Work


class Owners(Protocol):
    """Who delivers: told of new deliveries."""

    async def offer_all(self, work: Sequence[tuple[str, Work]]) -> None:
        """Pass on hints about many deliveries, each with its webhook's id, yielding to other tasks in between."""

    def wake(self, webhook_ids: Iterable[str]) -> None:
        """Have the database checked for deliveries of these webhooks."""

    def wake_all(self) -> None:
        """Have all running actors check the database."""
