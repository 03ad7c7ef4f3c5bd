"""What pending deliveries wait for: for credits, their webhook's end of a pause, its pace, or their retry."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from api.http.route import Call
from daemon.domain.model import Attempt, Delivery, DeliveryStatus
from daemon.domain.policy import is_held_back, policy_of
from daemon.store.reads import actor_reads, api_reads


class NextAttemptReason(StrEnum):
    """Why a next attempt waits."""

    DELIVER_AT = "deliver_at"
    BACK_OFF = "back_off"
    RETRY_AFTER = "retry_after"


async def paused_webhooks(call: Call, deliveries: Sequence[Delivery]) -> Mapping[str, int | None]:
    """Return which webhooks of pending ones among these are paused, each with when it resumes by itself."""
    ids = {delivery.webhook_id for delivery in deliveries if delivery.status is DeliveryStatus.PENDING}
    return await call.handles.reader.fetch(api_reads.paused_among, ids) if ids else {}


async def paced_webhooks(call: Call, deliveries: Sequence[Delivery]) -> frozenset[str]:
    """Return which webhooks of pending ones among these take so many a second at most."""
    ids = {delivery.webhook_id for delivery in deliveries if delivery.status is DeliveryStatus.PENDING}
    return await call.handles.reader.fetch(api_reads.paced_among, ids) if ids else frozenset()


async def without_credits(call: Call, deliveries: Sequence[Delivery]) -> frozenset[str]:
    """Return the ids of those that wait until their team is granted credits; live listeners need none."""
    credits, reader = call.handles.settings.credits, call.handles.reader
    if not credits.enforce:
        return frozenset()
    pending = [delivery for delivery in deliveries if delivery.status is DeliveryStatus.PENDING]
    balances = {team: await reader.fetch(api_reads.get_balance, team) for team in {one.team_id for one in pending}}
    broke = [one for one in pending if balances[one.team_id] < credits.per_delivery]
    live = await reader.fetch(api_reads.live_among, {one.webhook_id for one in broke}) if broke else set[str]()
    return frozenset(one.id for one in broke if one.webhook_id not in live)


async def next_attempt_because(call: Call, delivery: Delivery, attempts: Sequence[Attempt]) -> NextAttemptReason | None:
    """Return why a delivery's next attempt waits, None if none does."""
    if delivery.status is not DeliveryStatus.PENDING or delivery.next_attempt_at is None:
        return None
    if not attempts:
        return NextAttemptReason.DELIVER_AT
    webhook = await call.handles.reader.fetch(actor_reads.webhook_or_deleted, delivery.webhook_id)
    policy = call.handles.settings.delivery.policy
    if webhook is not None and is_held_back(policy_of(policy, webhook.options), attempts[-1]):
        return NextAttemptReason.RETRY_AFTER
    return NextAttemptReason.BACK_OFF
