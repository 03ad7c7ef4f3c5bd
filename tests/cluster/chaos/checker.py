"""What must be true of the evidence, whatever was done to nodes and database: pure functions that describe violations.

They know nothing of the daemon's code; `tests.cluster.chaos.order` has those about the order of arrivals.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

from tests.cluster.chaos.changes import cancelled_without_cause, not_as_edited, not_as_replayed
from tests.cluster.chaos.evidence import Evidence, StoredDelivery, StoredMail, Submitted
from tests.cluster.chaos.lives import written_by_the_dead
from tests.cluster.chaos.order import mixed_up, out_of_order
from tests.cluster.chaos.plan import PlannedWebhook
from tests.cluster.chaos.repetitions import unexplained

DISABLE_AFTER = 4

_OfWebhook = TypeVar("_OfWebhook", StoredDelivery, StoredMail)


def violations(evidence: Evidence) -> list[str]:
    """Return a sentence for every broken promise; none for a correct run."""
    checks = (
        _lost, _accepted_twice, _unmatched, _strangers, _not_as_on_the_wire, _unsigned,
        out_of_order, mixed_up, unexplained, written_by_the_dead, _miscounted, _not_mailed_once,
        not_as_edited, cancelled_without_cause, not_as_replayed,
    )  # fmt: skip
    return [*evidence.complaints, *evidence.stored.impossible, *chain(*(check(evidence) for check in checks))]


def _lost(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged is there, with as many deliveries as the receipt says."""
    events = {event.id: event for event in evidence.stored.events}
    made = Counter(delivery.event_id for delivery in evidence.stored.deliveries if not delivery.again)
    for one in evidence.submitted:
        if one.acknowledged_at is None:
            continue
        event = events.get(one.event_id)
        if event is None or (event.number, event.team, event.type) != (one.number, one.team, one.type):
            yield f"event {one.number} was acknowledged as {one.event_id} and is lost"
        elif made[one.event_id] != one.deliveries:
            yield f"event {one.number} has {made[one.event_id]} deliveries, {one.deliveries} were promised"


def _accepted_twice(evidence: Evidence) -> Iterator[str]:
    submitted = {one.number for one in evidence.submitted}
    for number, count in Counter(event.number for event in evidence.stored.events).items():
        if count > 1:
            yield f"event {number} was accepted {count} times"
        if number not in submitted:
            yield f"event {number} was never submitted"


def _unmatched(evidence: Evidence) -> Iterator[str]:
    """Each webhook has one delivery of each event of its types, and none of any other."""
    made = Counter((one.event_id, one.webhook) for one in evidence.stored.deliveries if not one.again)
    submitted = {one.number: one for one in evidence.submitted}
    for event in evidence.stored.events:
        for webhook in evidence.planned.values():
            count = made[event.id, webhook.name]
            if event.number in submitted and count not in _allowed(submitted[event.number], webhook):
                yield f"event {event.number} has {count} deliveries to {webhook.name}"


def _allowed(event: Submitted, webhook: PlannedWebhook) -> set[int]:
    """Return how many deliveries to a webhook an event may have: it was accepted while it was being submitted."""
    life = webhook.lifetime
    begin, end = event.submitted_at, math.inf if event.acknowledged_at is None else event.acknowledged_at
    if webhook.team != event.team or event.type not in webhook.types or end < life.begin or begin > life.end:
        return {0}
    if any(pause.sure_from <= begin and end <= pause.sure_until for pause in webhook.pauses):
        return {0}
    is_sure = webhook.stays_enabled and life.sure_from <= begin and end <= life.sure_until
    is_paused = any(pause.begin <= end and begin <= pause.end for pause in webhook.pauses)
    return {1} if is_sure and not is_paused else {0, 1}


def _strangers(evidence: Evidence) -> Iterator[str]:
    deliveries = {delivery.id: delivery for delivery in evidence.stored.deliveries}
    numbers = {event.id: event.number for event in evidence.stored.events}
    for arrival in evidence.arrivals:
        delivery = deliveries.get(arrival.delivery_id)
        if delivery is None:
            yield f"{arrival.webhook} got {arrival.delivery_id}, which the database does not know"
        elif (arrival.webhook, arrival.number) != (delivery.webhook, numbers.get(delivery.event_id)):
            yield f"{arrival.webhook} got event {arrival.number} as {arrival.delivery_id}, which is another one"


def _not_as_on_the_wire(evidence: Evidence) -> Iterator[str]:
    """Every recorded attempt arrived and was answered so; what arrived is recorded, unless nobody had to repeat it."""
    seen: dict[int | None, tuple[str, int, int | None]] = {
        arrival.id: (arrival.delivery_id, arrival.attempt, arrival.status) for arrival in evidence.arrivals
    }
    for attempt in evidence.stored.attempts:
        name = f"attempt {attempt.number} of {attempt.delivery_id}"
        if attempt.arrival not in seen:
            yield f"{name} is recorded, but the receiver never got it"
        elif seen[attempt.arrival] != (attempt.delivery_id, attempt.number, attempt.status):
            yield f"{name} is recorded with {attempt.status}, which was not the answer"
    known = {(attempt.delivery_id, attempt.number) for attempt in evidence.stored.attempts}
    known |= {(one.id, one.attempts_made + 1) for one in evidence.stored.deliveries if one.status == "cancelled"}
    for delivery_id, number in {(delivery_id, number) for delivery_id, number, _ in seen.values()} - known:
        yield f"attempt {number} of {delivery_id} came, but is not recorded"


def _unsigned(evidence: Evidence) -> Iterator[str]:
    for arrival in evidence.arrivals:
        if not arrival.signed:
            yield f"attempt {arrival.attempt} of {arrival.delivery_id} came with a wrong signature"


def _miscounted(evidence: Evidence) -> Iterator[str]:
    """Failure counters and disablings follow from how deliveries ended, and each disabling has its mail."""
    mails = _by_webhook(evidence.stored.mails)
    deliveries = _by_webhook(evidence.stored.deliveries)
    for webhook in evidence.stored.webhooks:
        if webhook.deleted:
            continue
        disablings, trailing = _history(deliveries[webhook.name])
        expected = trailing if webhook.active else DISABLE_AFTER
        if webhook.consecutive_failures != expected:
            yield f"{webhook.name} counts {webhook.consecutive_failures} failures instead of {expected}"
        if not webhook.active and (trailing or not disablings):
            yield f"{webhook.name} is disabled without {DISABLE_AFTER} failures in a row"
        told = Counter(tuple(mail.failed) for mail in mails[webhook.name] if mail.failed)
        if told != Counter(disablings):
            yield (
                f"{webhook.name} was disabled {len(disablings)} times, and {told.total()} mails tell of it: "
                f"{list(told - Counter(disablings))} instead of {list(Counter(disablings) - told)}"
            )


def _history(deliveries: Iterable[StoredDelivery]) -> tuple[list[tuple[str, ...]], int]:
    """Return the failures of each disabling, in the order of acceptance, and how many came after the last one.

    That need not be the order in which they failed: submissions to several nodes overlap.
    """
    disablings: list[tuple[str, ...]] = []
    failures: list[StoredDelivery] = []
    ended = [delivery for delivery in deliveries if delivery.status in ("succeeded", "failed")]
    for delivery in sorted(ended, key=lambda delivery: (delivery.ended, delivery.seq)):
        failures = [*failures, delivery] if delivery.status == "failed" else []
        if len(failures) == DISABLE_AFTER:
            disablings.append(tuple(one.id for one in sorted(failures, key=lambda one: one.seq)))
            failures = []
    return disablings, len(failures)


def _by_webhook(found: Iterable[_OfWebhook]) -> defaultdict[str, list[_OfWebhook]]:
    grouped: defaultdict[str, list[_OfWebhook]] = defaultdict(list)
    for one in found:
        grouped[one.webhook].append(one)
    return grouped


def _not_mailed_once(evidence: Evidence) -> Iterator[str]:
    """Each mail arrived; more than once only if something was done to a node between sending and its commit."""
    known = {mail.id for mail in evidence.stored.mails}
    for mail in known:
        if not evidence.mailed.get(mail):
            yield f"mail {mail} was sent, as the database says, and never arrived"
    for mail, count in evidence.mailed.items():
        if mail not in known:
            yield f"mail {mail} arrived, which the database does not know"
        if count > 1 + len(evidence.disturbances):
            yield f"mail {mail} arrived {count} times"
