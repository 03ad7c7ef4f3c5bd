"""Whether each webhook got its events in order, one at a time."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.cluster.chaos.evidence import Arrival, Evidence, Submitted


def out_of_order(evidence: Evidence) -> Iterator[str]:
    """X acknowledged before Y was submitted: X arrives first. Those that overlap may come in any order."""
    submitted = {one.number: one for one in evidence.submitted}
    again = {delivery.id for delivery in evidence.stored.deliveries if delivery.again}
    for webhook, arrivals in by_webhook(evidence.arrivals).items():
        numbers = list(dict.fromkeys(arrival.number for arrival in arrivals if arrival.delivery_id not in again))
        yield from _overtaken(webhook, [submitted[number] for number in numbers if number in submitted])


def _overtaken(webhook: str, arrived: Sequence[Submitted]) -> Iterator[str]:
    first_acknowledged, earliest = math.inf, None
    for one in reversed(arrived):
        if first_acknowledged < one.submitted_at and earliest is not None:
            yield (
                f"{webhook} got event {one.number} before event {earliest.number}, which was acknowledged "
                f"{one.submitted_at - first_acknowledged:.3f} s before the other one was submitted"
            )
        if one.acknowledged_at is not None and one.acknowledged_at < first_acknowledged:
            first_acknowledged, earliest = one.acknowledged_at, one
    yield from _batches(webhook, arrived)


def _batches(webhook: str, arrived: Sequence[Submitted]) -> Iterator[str]:
    """The events of one submission come in its order."""
    latest: dict[int, int] = {}
    for one in arrived:
        if one.number < latest.get(one.first, 0):
            yield f"{webhook} got event {one.number} of a batch after event {latest[one.first]} of the same"
        latest[one.first] = max(one.number, latest.get(one.first, 0))


def mixed_up(evidence: Evidence) -> Iterator[str]:
    """Once an attempt of a delivery is recorded, no other delivery begins before this one was answered with success, or
    its last attempt has begun.

    Whatever was done to nodes: who takes a webhook over goes on with the delivery that was begun.
    """
    begun = _begun(evidence)
    for webhook, arrivals in by_webhook(evidence.arrivals).items():
        yield from _mixed(webhook, arrivals, begun)


def _begun(evidence: Evidence) -> Mapping[str, float]:
    """Return when the first attempt of each delivery came that is recorded."""
    arrivals = {arrival.id: arrival.at for arrival in evidence.arrivals}
    return {
        attempt.delivery_id: arrivals[attempt.arrival]
        for attempt in evidence.stored.attempts
        if attempt.number == 1 and attempt.arrival in arrivals
    }


def _mixed(webhook: str, arrivals: Sequence[Arrival], begun: Mapping[str, float]) -> Iterator[str]:
    came: dict[str, float] = {}
    last: dict[str, Arrival] = {}
    for arrival in arrivals:
        came.setdefault(arrival.delivery_id, arrival.at)
        known = last.get(arrival.delivery_id)
        if known is None or (known.attempt < arrival.attempt and not known.succeeded):
            last[arrival.delivery_id] = arrival
    begins = sorted((at, delivery_id) for delivery_id, at in came.items())
    for delivery_id, begin in begun.items():
        if delivery_id in last:
            between = begins[bisect_right(begins, (begin, "~")) : bisect_left(begins, (last[delivery_id].at, ""))]
            for _, other in between:
                yield f"{webhook} got {other} between the attempts of {delivery_id}"


def by_webhook(arrivals: Sequence[Arrival]) -> Mapping[str, list[Arrival]]:
    """Return each webhook's arrivals in their order."""
    found: defaultdict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        found[arrival.webhook].append(arrival)
    return found
