"""Whether changes to webhooks took effect, and what was sent again because somebody asked for it."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.cluster.chaos.evidence import CLOCK_STEPPED, Evidence, Recovery, StoredDelivery, Submitted
from tests.cluster.chaos.plan import PlannedWebhook

# An attempt that was begun before a change may arrive a little after the answer to it.
_ON_ITS_WAY_S = 2.0


def not_as_edited(evidence: Evidence) -> Iterator[str]:
    """What arrives before an edit comes to the old address, what is begun after it to the new one.

    That both change together shows in the signature.
    """
    for arrival in evidence.arrivals:
        edit = evidence.planned[arrival.webhook].edit if arrival.webhook in evidence.planned else None
        if edit is None:
            continue
        if arrival.edited and arrival.at < edit.asked:
            yield f"{arrival.webhook} got {arrival.delivery_id} at an address that nobody had given it"
        if not arrival.edited and arrival.at > edit.answered + _ON_ITS_WAY_S:
            late = arrival.at - edit.answered
            yield f"{arrival.webhook} got {arrival.delivery_id} at its old address {late:.3f} s after the edit"


def cancelled_without_cause(evidence: Evidence) -> Iterator[str]:
    """Only the deliveries of a webhook that was disabled or deleted are cancelled."""
    for delivery in evidence.stored.deliveries:
        webhook = evidence.planned.get(delivery.webhook)
        if delivery.status == "cancelled" and webhook is not None and not _was_off(webhook):
            yield f"{delivery.id} to {delivery.webhook} was cancelled, and the webhook was always enabled"


def _was_off(webhook: PlannedWebhook) -> bool:
    return not webhook.stays_enabled or bool(webhook.pauses) or webhook.lifetime.sure_until < math.inf


def not_as_replayed(evidence: Evidence) -> Iterator[str]:
    """Each resend made one delivery, each recovery one for each event that was missed, in order; nothing else did."""
    deliveries = {delivery.id: delivery for delivery in evidence.stored.deliveries}
    recovered: defaultdict[str, list[StoredDelivery]] = defaultdict(list)
    for delivery in evidence.stored.deliveries:
        old = deliveries.get(evidence.resent.get(delivery.id, ""))
        if old is not None and (old.event_id, old.webhook) != (delivery.event_id, delivery.webhook):
            yield f"{delivery.id} was to resend {old.id}, and is of another event or webhook"
        if delivery.again and old is None:
            recovered[delivery.webhook].append(delivery)
    for name in evidence.resent.keys() - deliveries.keys():
        yield f"{name} was to be sent again and is lost"
    asked = {recovery.webhook: recovery for recovery in evidence.recoveries}
    for webhook, made in recovered.items():
        if webhook not in asked:
            yield f"{webhook} has {len(made)} deliveries that nobody asked for"
    for recovery in evidence.recoveries:
        yield from _recovered(evidence, recovery, recovered[recovery.webhook])


def _recovered(evidence: Evidence, recovery: Recovery, made: Sequence[StoredDelivery]) -> Iterator[str]:
    # One whose answer was lost had made some, and the next one tells of the others.
    is_repeated = any(one.begin <= recovery.answered and recovery.asked <= one.end for one in evidence.disturbances)
    if len(made) < recovery.deliveries or (len(made) > recovery.deliveries and not is_repeated):
        yield f"{recovery.webhook} has {len(made)} recovered deliveries, {recovery.deliveries} were promised"
    counts = Counter(delivery.event_id for delivery in made)
    for event_id, count in counts.items():
        if count > 1:
            yield f"{event_id} was recovered {count} times for {recovery.webhook}"
    webhook, clocks_are_right = evidence.planned[recovery.webhook], not _any_clock_stepped(evidence, recovery)
    for one in evidence.submitted:
        if clocks_are_right and _was_missed(one, webhook) and not counts[one.event_id]:
            yield f"event {one.number} was missed by {recovery.webhook} and not recovered"
    places = {event.id: event.seq for event in evidence.stored.events}
    for one_made, next_made in pairwise(sorted(made, key=lambda delivery: delivery.seq)):
        if places[one_made.event_id] > places[next_made.event_id]:
            yield f"{recovery.webhook} has {next_made.id} recovered after {one_made.id}, whose event came later"


def _any_clock_stepped(evidence: Evidence, recovery: Recovery) -> bool:
    """Whether a node may have noted a wrong time of acceptance: what is missed is a question of time."""
    return any(
        one.what == CLOCK_STEPPED and one.begin <= recovery.asked and recovery.since <= one.end
        for one in evidence.disturbances
    )


def _was_missed(one: Submitted, webhook: PlannedWebhook) -> bool:
    """Whether it was surely accepted while the webhook was disabled."""
    if one.acknowledged_at is None or one.team != webhook.team or one.type not in webhook.types:
        return False
    end = one.acknowledged_at
    return any(pause.sure_from <= one.submitted_at and end <= pause.sure_until for pause in webhook.pauses)
