"""What can be written about deliveries whose events expire: commands, as values."""

from daemon.domain.model import Webhook
from daemon.store.commands import Cancelled, Command


class CancelExpired(Command[Cancelled], frozen=True):
    """Cancel those of a webhook's deliveries that are pending, but those in flight, since they have expired.

    Answers what was cancelled.
    """

    webhook: Webhook
    seqs: tuple[int, ...]
    in_flight_seqs: tuple[int, ...]
    now: int


class ForgetExpiries(Command[None], frozen=True):
    """Forget when these deliveries, which are over, would have expired."""

    seqs: tuple[int, ...]
