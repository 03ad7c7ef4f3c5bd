"""What the tasks of an endpoint actor share (theory of operation: `daemon.delivery.endpoint`)."""

from dataclasses import dataclass, field

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.delivery.open_outcomes import OpenOutcomes
from daemon.domain.clock import NowMs
from daemon.domain.model import Webhook, Work


@dataclass(slots=True, eq=False)
class EndpointState:
    """The webhook as last committed, and the current delivery.

    `current` is the delivery that was taken last, None once it was cancelled. `in_flight` says that an attempt of it
    has begun that has no outcome yet, or one that is not committed; but a plain success is one of `outcomes` then.
    `webhook` changes, an attempt begins, and an outcome is opened, under `transition` only. `reads_anew` says that the
    webhook was paused since pages were read last: the next one is read as a new life reads its first.
    """

    webhook: Webhook
    pause: Pause
    outcomes: OpenOutcomes
    now_ms: NowMs
    current: Work | None = None
    in_flight: bool = False
    transition: Mutex = field(default_factory=Mutex)
    reads_anew: bool = False
    _resumed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    @property
    def is_paused(self) -> bool:
        """Whether nothing may begin until the webhook is resumed."""
        return self.webhook.paused_at is not None

    @property
    def in_flight_seq(self) -> int | None:
        """The place of the delivery in flight, if there is one."""
        return self.current.seq if self.current and self.in_flight else None

    def is_due(self, work: Work) -> bool:
        """Whether this delivery may proceed: not cancelled, expired or held by a pause, and no stop was requested."""
        is_held = self.is_paused or self.pause.closed or self.is_expired(work)
        return self.current is work and not is_held

    def is_expired(self, work: Work) -> bool:
        """Whether this delivery is not to be made any more."""
        return work.expires_at is not None and work.expires_at <= self.now_ms()

    def drop_waiting(self) -> None:
        """Drop a delivery that waits, since it was cancelled or its webhook paused; one in flight may finish."""
        if not self.in_flight:
            self.current = None
            self.pause.end()

    def tell_resumed(self) -> None:
        """Wake whoever waits for the end of the webhook's pause, if it is over."""
        if not self.is_paused:
            self._resumed.unpark_all()

    async def wait_until_resumed(self) -> None:
        """Wait until the webhook is not paused."""
        while self.is_paused:
            await self._resumed.park()
