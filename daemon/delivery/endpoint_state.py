"""What the tasks of an endpoint actor share (theory of operation: `daemon.delivery.endpoint`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.delivery.open_outcomes import OpenOutcomes
from daemon.delivery.sender import Sender
from daemon.domain.clock import NowMs
from daemon.domain.erasures import is_erased, without_answer
from daemon.domain.lifecycle import cancel_reason_of
from daemon.domain.model import Attempt, CancelReason, Webhook, Work


@dataclass(slots=True, eq=False)
class Lane:
    """Where one delivery at a time is brought to its end, with its own waits.

    `current` is the delivery that was taken last, None once it was cancelled. `in_flight` says that an attempt of it
    has begun that has no outcome yet, or one that is not committed; but a plain success is an open outcome then.
    """

    pause: Pause
    sender: Sender
    current: Work | None = None
    in_flight: bool = False
    holds_reservation: bool = False

    async def back_off(self, seconds: float) -> None:
        """Wait for the time of the current delivery's next attempt."""
        await self.pause.wait(seconds)


@dataclass(slots=True, eq=False)
class EndpointState:
    """The webhook as last committed, and what is under way.

    There is one lane, and there are more while several deliveries are made at once. `webhook` changes, an attempt
    begins, and an outcome is opened, under `transition` only. `reads_anew` says that the webhook was paused since pages
    were read last: the next one is read as a new life reads its first. `erased_seqs` are
    the places of deliveries in flight whose events were erased.
    """

    webhook: Webhook
    pause: Pause
    outcomes: OpenOutcomes
    now_ms: NowMs
    lanes: list[Lane] = field(default_factory=list)
    transition: Mutex = field(default_factory=Mutex)
    reads_anew: bool = False
    erased_seqs: frozenset[int] = frozenset()
    _resumed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    @property
    def is_paused(self) -> bool:
        """Whether nothing may begin until the webhook is resumed."""
        return self.webhook.paused_at is not None

    @property
    def in_flight_seqs(self) -> tuple[int, ...]:
        """The places of the deliveries in flight."""
        return tuple(lane.current.seq for lane in self.lanes if lane.current and lane.in_flight)

    def is_due(self, work: Work, lane: Lane) -> bool:
        """Whether this delivery may proceed: not cancelled, expired or held by a pause, and no stop was requested."""
        is_held = self.is_paused or lane.pause.closed or self.is_expired(work)
        return lane.current is work and not is_held

    def is_expired(self, work: Work) -> bool:
        """Whether this delivery is not to be made any more."""
        return work.expires_at is not None and work.expires_at <= self.now_ms()

    def why_over(self, work: Work) -> CancelReason | None:
        """Return why this delivery, whose turn has come, is not to be made any more, if so."""
        if self.is_expired(work):
            return CancelReason.EXPIRED
        return CancelReason.ERASED if is_erased(work) else None

    def note_erased(self, seqs: Sequence[int]) -> None:
        """Note that the events of these deliveries were erased: it matters for those in flight."""
        self.erased_seqs = self.erased_seqs.union(seqs).intersection(self.in_flight_seqs)

    def why_no_retry(self, work: Work) -> CancelReason | None:
        """Return why this delivery, which is in flight, is cancelled if it fails, if so."""
        return cancel_reason_of(self.webhook) or (CancelReason.ERASED if work.seq in self.erased_seqs else None)

    def kept(self, work: Work, attempt: Attempt) -> Attempt:
        """Return an attempt of this delivery, which was in flight, as it is to be kept."""
        return without_answer(attempt) if work.seq in self.erased_seqs else attempt

    def drop_waiting(self) -> None:
        """Drop what waits, since it was cancelled or the webhook paused; what is in flight may finish."""
        for lane in self.lanes:
            if not lane.in_flight:
                lane.current = None
                lane.pause.end()

    def tell_resumed(self) -> None:
        """Wake whoever waits for the end of the webhook's pause, if it is over."""
        if not self.is_paused:
            self._resumed.unpark_all()

    async def wait_until_resumed(self) -> None:
        """Wait until the webhook is not paused."""
        while self.is_paused:
            await self._resumed.park()
