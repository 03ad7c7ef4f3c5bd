"""What must be true of the evidence, whatever was killed and when: pure functions that describe violations.

An arrival may come twice with one attempt number across a kill, since the outcome of the first was not committed then,
or at once, where the receiver hung up on a kept connection without an answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.faults.evidence import Arrival, Evidence, StoredDelivery, StoredMail, StoredWebhook

DISABLE_AFTER = 4
# After a kill: of the outcomes of a webhook no more can have been on their way to disk.
REPEATED_AT_MOST = 4


def violations(evidence: Evidence) -> list[str]:
    """Return a sentence for every broken promise; none for a correct run."""
    evidence = replace(evidence, arrivals=tuple(_without_replacements(evidence.arrivals)))
    deliveries = {delivery.id: delivery for delivery in evidence.deliveries}
    by_webhook = _by_webhook(evidence.deliveries)
    return [
        *evidence.impossible,
        *_acknowledged(evidence),
        *_doubled(evidence),
        *_strangers(evidence.arrivals, deliveries),
        *_attempts_on_the_wire(evidence.arrivals, evidence.deliveries),
        *_order(evidence, deliveries),
        *_repeated(evidence.arrivals, deliveries),
        *_counters(evidence, by_webhook),
        *_mailed(evidence),
    ]


def _without_replacements(arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
    """Leave out what went out once more in its attempt, after a kept connection ended (contract "An attempt")."""
    hung_up: set[tuple[int, str, int]] = set()
    for arrival in arrivals:
        name = (arrival.life, arrival.delivery_id, arrival.attempt)
        if name in hung_up:
            hung_up.discard(name)
            continue
        if arrival.status is None:
            hung_up.add(name)
        yield arrival


def _by_webhook(deliveries: Iterable[StoredDelivery]) -> Mapping[str, list[StoredDelivery]]:
    found: defaultdict[str, list[StoredDelivery]] = defaultdict(list)
    for delivery in deliveries:
        found[delivery.webhook_id].append(delivery)
    return found


# -- what was acknowledged is there, once


def _acknowledged(evidence: Evidence) -> Iterator[str]:
    events = {event.id: event for event in evidence.events}
    numbers = Counter(event.number for event in evidence.events)
    made = Counter(
        delivery.event_id
        for delivery in evidence.deliveries
        if delivery.created_at == events[delivery.event_id].accepted_at
    )
    for receipt in evidence.receipts:
        event = events.get(receipt.event_id)
        if event is None or event.number != receipt.number:
            yield f"event {receipt.number} was acknowledged as {receipt.event_id} and is lost"
        elif made[receipt.event_id] != receipt.deliveries:
            yield f"event {receipt.number} has {made[receipt.event_id]} deliveries, {receipt.deliveries} were promised"
    known = {receipt.number for receipt in evidence.receipts} | evidence.unsure
    for number, count in numbers.items():
        if count > 1:
            yield f"event {number} was accepted {count} times"
        if number not in known:
            yield f"event {number} was never submitted"


def _doubled(evidence: Evidence) -> Iterator[str]:
    accepted_at = {event.id: event.accepted_at for event in evidence.events}
    at_acceptance = Counter(
        (delivery.event_id, delivery.webhook_id)
        for delivery in evidence.deliveries
        if delivery.created_at == accepted_at.get(delivery.event_id)
    )
    for (event_id, webhook_id), count in at_acceptance.items():
        if count > 1:
            yield f"event {event_id} has {count} deliveries to webhook {webhook_id}"


# -- what the receiver saw and what the database says are the same


def _strangers(arrivals: Iterable[Arrival], deliveries: Mapping[str, StoredDelivery]) -> Iterator[str]:
    for arrival in arrivals:
        if arrival.delivery_id not in deliveries:
            yield f"the receiver got {arrival.delivery_id}, which the database does not know"


def _attempts_on_the_wire(arrivals: Iterable[Arrival], deliveries: Iterable[StoredDelivery]) -> Iterator[str]:
    seen: defaultdict[str, defaultdict[int, list[Arrival]]] = defaultdict(lambda: defaultdict(list))
    for arrival in arrivals:
        seen[arrival.delivery_id][arrival.attempt].append(arrival)
    for delivery in deliveries:
        yield from _delivery_on_the_wire(delivery, seen[delivery.id])


def _delivery_on_the_wire(delivery: StoredDelivery, seen: Mapping[int, Sequence[Arrival]]) -> Iterator[str]:
    for number, status in delivery.attempts.items():
        if not seen.get(number):
            yield f"attempt {number} of {delivery.id} is recorded, but the receiver never got it"
        elif status not in {arrival.status for arrival in seen[number]}:
            yield f"attempt {number} of {delivery.id} is recorded with status {status}, which was not the answer"
    for number, arrivals in seen.items():
        lives = [arrival.life for arrival in arrivals]
        if len(set(lives)) != len(lives):
            yield f"attempt {number} of {delivery.id} came twice without a kill between"
        # The one attempt that a kill cut off need not be made again when its webhook was withdrawn meanwhile.
        cut_off = delivery.status == "cancelled" and number == delivery.attempts_made + 1
        if number not in delivery.attempts and not cut_off:
            yield f"attempt {number} of {delivery.id} came, but is not recorded"


# -- order


def _order(evidence: Evidence, deliveries: Mapping[str, StoredDelivery]) -> Iterator[str]:
    accepted_at = {event.id: event.accepted_at for event in evidence.events}
    place = {event.id: place for place, event in enumerate(evidence.events)}
    lanes: defaultdict[tuple[str, bool], list[tuple[int, int, int]]] = defaultdict(list)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for arrival in evidence.arrivals:
        if delivery := deliveries.get(arrival.delivery_id):
            # What was resent has an order of its own: its event was accepted long before.
            again = delivery.created_at != accepted_at[delivery.event_id]
            lanes[delivery.webhook_id, again].append((arrival.life, delivery.seq, arrival.attempt))
            if not again:
                places[delivery.webhook_id].append(place[delivery.event_id])
    for (webhook_id, _), lane in lanes.items():
        firsts = list(dict.fromkeys(seq for _, seq, _ in lane))
        if firsts != sorted(firsts):
            yield f"webhook {webhook_id} got its deliveries out of order"
        if any(later <= earlier for earlier, later in pairwise(lane)):
            yield f"webhook {webhook_id} got attempts out of order or mixed"
    for webhook_id, seen in places.items():
        firsts = list(dict.fromkeys(seen))
        if firsts != sorted(firsts):
            yield f"webhook {webhook_id} got its events out of order"


def _repeated(arrivals: Iterable[Arrival], deliveries: Mapping[str, StoredDelivery]) -> Iterator[str]:
    seen: set[tuple[str, int]] = set()
    repeated: Counter[tuple[str, int]] = Counter()
    for arrival in arrivals:
        if delivery := deliveries.get(arrival.delivery_id):
            name = (arrival.delivery_id, arrival.attempt)
            repeated[delivery.webhook_id, arrival.life] += name in seen
            seen.add(name)
    for (webhook_id, life), count in repeated.items():
        if count > REPEATED_AT_MOST:
            yield f"webhook {webhook_id} got {count} attempts again in life {life}"


# -- failure counters, disabling, mail


@dataclass(frozen=True, slots=True)
class _History:
    """What follows from the ends of a webhook's deliveries: the failures of each disabling, and what came after."""

    disablings: tuple[tuple[str, ...], ...]
    trailing: int


def _history(deliveries: Iterable[StoredDelivery]) -> _History:
    ended = [delivery for delivery in deliveries if delivery.status in ("succeeded", "failed")]
    disablings: list[tuple[str, ...]] = []
    failures: list[str] = []
    for delivery in sorted(ended, key=lambda delivery: (delivery.completed_at or 0, delivery.seq)):
        failures = [*failures, delivery.id] if delivery.status == "failed" else []
        if len(failures) == DISABLE_AFTER:
            disablings.append(tuple(failures))
            failures = []
    return _History(tuple(disablings), len(failures))


def _counters(evidence: Evidence, by_webhook: Mapping[str, Sequence[StoredDelivery]]) -> Iterator[str]:
    mails = defaultdict(list)
    for mail in evidence.mails:
        if mail.failed:  # of another kind: it works again, or credits run low
            mails[mail.webhook_id].append(mail)
    for webhook in evidence.webhooks:
        # Enabling by hand resets the counter at a time that no row tells.
        if webhook.id not in evidence.by_hand:
            yield from _counter(webhook, _history(by_webhook.get(webhook.id, ())), mails[webhook.id])


def _counter(webhook: StoredWebhook, history: _History, mails: Sequence[StoredMail]) -> Iterator[str]:
    expected = history.trailing if webhook.active else DISABLE_AFTER
    if webhook.consecutive_failures != expected:
        yield f"webhook {webhook.id} counts {webhook.consecutive_failures} failures instead of {expected}"
    if not webhook.active and (history.trailing or not history.disablings):
        yield f"webhook {webhook.id} is disabled without {DISABLE_AFTER} failures in a row"
    if Counter(mail.failed for mail in mails) != Counter(history.disablings):
        yield f"webhook {webhook.id} was disabled {len(history.disablings)} times, and {len(mails)} mails tell of it"


def _mailed(evidence: Evidence) -> Iterator[str]:
    if evidence.maildir is not None and Counter(evidence.maildir) != Counter(mail.id for mail in evidence.mails):
        yield f"the Maildir holds {len(evidence.maildir)} mails, {len(evidence.mails)} were queued"
