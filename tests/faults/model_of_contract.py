"""The contract ("A delivery", "Auto-disable", "Pause", "Credits") once more, a small simulation sharing no code.

A webhook is a queue. Its head is attempted when it is due; an attempt takes as long as the receiver takes, and ends
with its answer. Times are seconds. `Model.advance` brings everything to a moment; the other methods happen at it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RETRY_AFTER_S = (1, 2, 4)
DISABLE_AT = 4
PRICE = 2
RECOVERY_WAITS_S = 20
MOST_UNCOMMITTED = 4

Status = Literal["pending", "succeeded", "failed", "cancelled"]


@dataclass(slots=True)
class ModelEvent:
    """An accepted event."""

    number: int
    type: str
    submission: int = 0


@dataclass(slots=True)
class ModelDelivery:
    """One event to one webhook."""

    event: ModelEvent
    status: Status = "pending"
    attempts: int = 0
    reason: str | None = None
    due: float = -math.inf
    # Of a large submission, and still to be made: it counts, and waits.
    is_deferred: bool = False
    fanned_out: bool = False


@dataclass(slots=True)
class ModelWebhook:
    """A receiver: what it answers, how long that takes, and what became of its deliveries."""

    name: str
    events: tuple[str, ...]
    answer: int = 200
    takes_s: float = 0
    active: bool = True
    deleted: bool = False
    failures: int = 0
    # While it is paused: when it resumes by itself, `math.inf` if it does not.
    paused_until: float | None = None
    disabled_reason: str | None = None
    is_recovering: bool = False
    deliveries: list[ModelDelivery] = field(default_factory=list)
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    # The attempt under way: its delivery, when it ends, and how.
    flight: tuple[ModelDelivery, float, int] | None = None
    # While the disk hangs: successes that are not on disk, and whether the flight is over whose outcome waits for them.
    uncommitted: list[ModelDelivery] = field(default_factory=list)
    stands_still: bool = False
    # Whether some of what waits is known to the database only: it is read when nothing is uncommitted.
    is_behind: bool = False

    @property
    def is_well(self) -> bool:
        """Whether a success changes nothing about it."""
        return self.active and self.failures == 0 and not self.is_recovering

    @property
    def made(self) -> list[ModelDelivery]:
        return [delivery for delivery in self.deliveries if not delivery.is_deferred]

    @property
    def has_work(self) -> bool:
        return self.flight is not None or any(one.status == "pending" for one in self.deliveries)

    def wants(self, event: ModelEvent) -> bool:
        return "*" in self.events or event.type in self.events


@dataclass(slots=True)
class ModelRecovery:
    """A recovery that waits until all up to `submission` is made, and what it then comes to: None while it waits."""

    webhook: ModelWebhook
    submission: int
    ends_at: float
    result: int | Literal["refused", "unavailable"] | None = None


@dataclass(slots=True)
class Model:
    """A team with its webhooks."""

    now: float = 0
    webhooks: dict[str, ModelWebhook] = field(default_factory=dict)
    events: list[ModelEvent] = field(default_factory=list)
    balance: int = 0
    mails: int = 0
    submissions: int = 0
    recoveries: list[ModelRecovery] = field(default_factory=list)
    disk_hangs: bool = False

    # -- what happens by itself

    def advance(self, to: float) -> None:
        """Let time go on until `to`. Webhooks never wait for each other, so each goes by itself."""
        for webhook in self.webhooks.values():
            moment = self.now
            while (step := self._next_step(webhook, moment)) is not None and step <= to:
                moment = max(moment, step)
                self._step(webhook, moment)
        self.now = to
        for recovery in [one for one in self.recoveries if one.ends_at <= to]:
            self._end(recovery, "unavailable")

    def _next_step(self, webhook: ModelWebhook, now: float) -> float | None:
        if webhook.stands_still:
            return None
        if webhook.flight is not None:
            return webhook.flight[1]
        if webhook.paused_until is not None:
            return None if self.disk_hangs or webhook.paused_until == math.inf else webhook.paused_until
        head = self._head(webhook)
        return None if head is None else max(now, head.due)

    def _head(self, webhook: ModelWebhook) -> ModelDelivery | None:
        """Return the delivery that is next, None if there is none, or too much is not on disk."""
        if len(webhook.uncommitted) == MOST_UNCOMMITTED:
            return None
        sent = {id(one) for one in webhook.uncommitted}
        return next((one for one in webhook.made if one.status == "pending" and id(one) not in sent), None)

    def _step(self, webhook: ModelWebhook, now: float) -> None:
        if webhook.flight is None and webhook.paused_until is not None:
            self.resume(webhook)
            return
        if webhook.flight is None:
            head = self._head(webhook)
            assert head is not None
            webhook.arrivals.append((head.event.number, head.attempts + 1))
            webhook.flight = (head, now + webhook.takes_s, webhook.answer)
            return
        delivery, ended_at, answer = webhook.flight
        is_success = 200 <= answer < 300
        if self.disk_hangs and not (is_success and webhook.is_well):
            webhook.stands_still = True
            return
        webhook.flight = None
        if self.disk_hangs:
            webhook.uncommitted.append(delivery)
            return
        delivery.attempts += 1
        if is_success:
            self._succeed(webhook, delivery)
        else:
            self._fail(webhook, delivery, ended_at)

    def disk_goes_on(self) -> None:
        """Commit what waits, in order."""
        self.disk_hangs = False
        for webhook in self.webhooks.values():
            for delivery in webhook.uncommitted:
                delivery.attempts += 1
                self._succeed(webhook, delivery)
            webhook.uncommitted, webhook.stands_still = [], False

    def _succeed(self, webhook: ModelWebhook, delivery: ModelDelivery) -> None:
        delivery.status = "succeeded"
        webhook.failures = 0
        if webhook.active and webhook.is_recovering:
            webhook.is_recovering = False
            self.mails += 1
        self.balance -= PRICE

    def _fail(self, webhook: ModelWebhook, delivery: ModelDelivery, ended_at: float) -> None:
        if webhook.deleted or not webhook.active:  # withdrawn while the attempt was under way
            delivery.status = "cancelled"
            delivery.reason = "webhook_deleted" if webhook.deleted else "webhook_disabled"
        elif delivery.attempts <= len(RETRY_AFTER_S):
            delivery.due = ended_at + RETRY_AFTER_S[delivery.attempts - 1]
        else:
            delivery.status = "failed"
            webhook.failures += 1
            if webhook.failures == DISABLE_AT:
                self._disable(webhook, "consecutive_failures")
                self.mails += 1

    # -- what people do

    def submit(self, *events: ModelEvent, most_at_once: int) -> None:
        """Accept events, in order. More deliveries than `most_at_once` come later, and all while some are to come."""
        self.events += events
        self.submissions += 1
        for event in events:
            event.submission = self.submissions
        pairs = [(event, one) for event in events for one in self.webhooks.values() if one.active and one.wants(event)]
        is_later = len(pairs) > most_at_once or self.deferred_deliveries > 0
        for webhook in self.webhooks.values():
            webhook.is_behind = webhook.is_behind and webhook.has_work
        for event, webhook in pairs:
            webhook.deliveries.append(ModelDelivery(event, is_deferred=is_later, fanned_out=is_later))

    @property
    def deferred_deliveries(self) -> int:
        """How many deliveries are still to be made."""
        return len(self._submissions_to_come)

    @property
    def _submissions_to_come(self) -> list[int]:
        every = (delivery for webhook in self.webhooks.values() for delivery in webhook.deliveries)
        return [delivery.event.submission for delivery in every if delivery.is_deferred]

    def make(self, counts: Mapping[str, int]) -> None:
        """Make the next deliveries of those that are still to come, so many of each webhook."""
        for name, count in counts.items():
            for delivery in [one for one in self.webhooks[name].deliveries if one.is_deferred][:count]:
                delivery.is_deferred = False
                self.webhooks[name].is_behind = True
        first = min(self._submissions_to_come, default=math.inf)
        for recovery in [one for one in self.recoveries if one.submission < first]:
            self._end(recovery, self.recover(recovery.webhook) if recovery.webhook.active else "refused")

    def make_all(self) -> None:
        """Make all that is still to come."""
        self.make({webhook.name: len(webhook.deliveries) for webhook in self.webhooks.values()})

    def disable(self, webhook: ModelWebhook) -> None:
        if webhook.active:
            self._disable(webhook, "manual")

    def pause(self, webhook: ModelWebhook, for_s: float | None) -> bool:
        """Let what is not in flight wait, for so long or until it is resumed; return whether that was possible."""
        if webhook.active and for_s is not None:
            webhook.paused_until = self.now + for_s
        elif webhook.active and webhook.paused_until is None:
            webhook.paused_until = math.inf
        webhook.is_behind = True
        return webhook.active

    def resume(self, webhook: ModelWebhook) -> None:
        webhook.paused_until, webhook.is_behind = None, True

    def enable(self, webhook: ModelWebhook) -> None:
        webhook.is_recovering |= webhook.disabled_reason == "consecutive_failures"
        webhook.active, webhook.disabled_reason, webhook.failures = True, None, 0
        webhook.is_behind = True

    def delete(self, webhook: ModelWebhook) -> None:
        webhook.active, webhook.deleted, webhook.paused_until = False, True, None
        self._cancel(webhook, "webhook_deleted")

    def resend(self, webhook: ModelWebhook, delivery: ModelDelivery) -> None:
        """Queue the delivery's event again, behind all that waits and is made."""
        webhook.deliveries.insert(len(webhook.made), ModelDelivery(delivery.event))
        webhook.is_behind = True

    def recover(self, webhook: ModelWebhook) -> int:
        """Queue again, in order, every event that the webhook subscribes to, never got and does not wait for.

        Those of submissions with deliveries still to come are left to these.
        """
        first = min(self._submissions_to_come, default=math.inf)
        had = {id(one.event) for one in webhook.deliveries if one.status in ("succeeded", "pending")}
        events = [event for event in self.events if event.submission < first]
        missed = [event for event in events if webhook.wants(event) and id(event) not in had]
        place = len(webhook.made)
        webhook.deliveries[place:place] = [ModelDelivery(event) for event in missed]
        webhook.is_behind = True
        return len(missed)

    def begin_to_recover(self, webhook: ModelWebhook) -> ModelRecovery:
        """Recover once all is made that is to come now."""
        recovery = ModelRecovery(webhook, max(self._submissions_to_come), self.now + RECOVERY_WAITS_S)
        self.recoveries.append(recovery)
        return recovery

    def _end(self, recovery: ModelRecovery, result: int | Literal["refused", "unavailable"]) -> None:
        recovery.result = result
        self.recoveries.remove(recovery)

    def crash(self) -> None:
        """Cut off the attempts under way: they are made again, under the same numbers; back-offs go on.

        So is what is not on disk. Recoveries that wait are forgotten.
        """
        self.recoveries.clear()
        self.disk_hangs = False
        for webhook in self.webhooks.values():
            webhook.uncommitted, webhook.stands_still, webhook.is_behind = [], False, True
            if webhook.flight is not None:
                delivery, _, _ = webhook.flight
                webhook.flight = None
                if webhook.deleted or not webhook.active:
                    delivery.status = "cancelled"
                    delivery.reason = "webhook_deleted" if webhook.deleted else "webhook_disabled"

    def _disable(self, webhook: ModelWebhook, reason: str) -> None:
        webhook.active, webhook.disabled_reason, webhook.paused_until = False, reason, None
        self._cancel(webhook, "webhook_disabled")

    def _cancel(self, webhook: ModelWebhook, reason: str) -> None:
        webhook.is_behind = True
        for delivery in webhook.deliveries:
            in_flight = webhook.flight is not None and webhook.flight[0] is delivery
            if delivery.status == "pending" and not in_flight:
                delivery.status, delivery.reason = "cancelled", reason
