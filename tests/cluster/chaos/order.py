"""Whether each webhook got its events in order, one at a time."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.cluster.chaos.evidence import Arrival, Evidence, Submitted
from tests.cluster.chaos.repetitions import explanations


def out_of_order(evidence: Evidence) -> Iterator[str]:
    """X acknowledged before Y was submitted: X arrives first. Those that overlap may come in any order."""
    submitted = {one.number: one for one in evidence.submitted}
    for webhook, arrivals in by_webhook(evidence.arrivals).items():
        numbers = list(dict.fromkeys(arrival.number for arrival in arrivals))
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
    """No delivery begins before the one before it has ended, unless something cut that one off."""
    attempts = {delivery.id: len(delivery.answers) for delivery in evidence.stored.deliveries}
    for webhook, arrivals in by_webhook(evidence.arrivals).items():
        yield from _mixed(webhook, arrivals, attempts, evidence)


def _mixed(webhook: str, arrivals: Sequence[Arrival], attempts: Mapping[str, int], evidence: Evidence) -> Iterator[str]:
    seen: set[str] = set()
    last: Arrival | None = None  # of the newest delivery
    for arrival in arrivals:
        if arrival.delivery_id not in seen:
            is_unfinished = last is not None and last.attempt < attempts.get(last.delivery_id, 0)
            if last is not None and is_unfinished and not explanations(evidence.disturbances, last, arrival):
                yield f"{webhook} got {arrival.delivery_id} between the attempts of {last.delivery_id}"
            seen.add(arrival.delivery_id)
            last = arrival
        elif last is not None and arrival.delivery_id == last.delivery_id:
            last = arrival


def by_webhook(arrivals: Sequence[Arrival]) -> Mapping[str, list[Arrival]]:
    """Return each webhook's arrivals in their order."""
    found: defaultdict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        found[arrival.webhook].append(arrival)
    return found
