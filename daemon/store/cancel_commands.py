"""What can be written about deliveries that a webhook does not get any more: commands, as values."""

from msgspec import Struct

from daemon.domain.model import CancelReason
from daemon.store.commands import Cancelled, Command


class CancelledPage(Struct, frozen=True):
    """How many deliveries of a webhook `CancelNext` cancelled; `total` is set once its cancellation is complete.

    `spared_some` says that it spared several, which were in flight.
    """

    cancellation_seq: int
    webhook_id: str
    team_id: str
    reason: CancelReason
    count: int
    total: int | None
    spared_some: bool = False


class CancelPending(Command[Cancelled], frozen=True):
    """Cancel the pending deliveries of a webhook that gets none any more, except those in flight.

    Answers what was cancelled so far.
    """

    webhook_id: str
    reason: CancelReason
    now: int
    in_flight_seqs: tuple[int, ...] = ()


class CancelNext(Command[CancelledPage | None], frozen=True):
    """Cancel a page of what is left of a cancellation: the next one after `after_seq`, or else the first.

    Answers CancelledPage, None if nothing is left.
    """

    after_seq: int
