"""What can be written about deliveries whose events are over, expired or erased: commands, as values."""

from daemon.domain.model import CancelReason, Webhook
from daemon.store.commands import Cancelled, Command


class CancelForEvent(Command[Cancelled], frozen=True):
    """Cancel those of a webhook's deliveries that are pending, but those in flight, for what became of their event.

    Answers what was cancelled.
    """

    webhook: Webhook
    seqs: tuple[int, ...]
    in_flight_seqs: tuple[int, ...]
    reason: CancelReason
    now: int


class ForgetExpiries(Command[None], frozen=True):
    """Forget when these deliveries, which are over, would have expired."""

    seqs: tuple[int, ...]
