"""What the tasks of an endpoint actor share (theory of operation: `daemon.delivery.endpoint`)."""

from dataclasses import dataclass, field

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.delivery.open_outcomes import OpenOutcomes
from daemon.domain.model import Webhook, Work


@dataclass(slots=True, eq=False)
class EndpointState:
    """The webhook as last committed, and the current delivery.

    `current` is the delivery that was taken last, None once it was cancelled. `in_flight` says that an attempt of it
    has begun that has no outcome yet, or one that is not committed; but a plain success is one of `outcomes` then.
    `webhook` changes, an attempt begins, and an outcome is opened, under `transition` only.
    """

    webhook: Webhook
    pause: Pause
    outcomes: OpenOutcomes
    current: Work | None = None
    in_flight: bool = False
    transition: Mutex = field(default_factory=Mutex)

    @property
    def in_flight_seq(self) -> int | None:
        """The place of the delivery in flight, if there is one."""
        return self.current.seq if self.current and self.in_flight else None

    def is_due(self, work: Work) -> bool:
        """Whether this delivery may proceed: it has not been cancelled, and no stop was requested."""
        return self.current is work and not self.pause.closed

    def drop_cancelled(self) -> None:
        """Drop a waiting delivery that has been cancelled; one in flight may finish."""
        if not self.in_flight:
            self.current = None
            self.pause.end()
