"""Whether what was seen is what the contract promises. Pure: an observation in, a list of checks out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from daemon.demo.observation import Observation, SeenDelivery
from daemon.demo.scenario import ADDRESS, GRANTED, RegisteredWebhook, Role
from daemon.demo.verification import SignatureState, verify

_RETRY_DELAYS_S = (1, 2, 4)
_PRICE = 2
_DISABLED_AFTER = 4
# A busy machine may be late; being early would break the promise (the API rounds to milliseconds).
_EARLY_S, _LATE_S = 0.01, 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, whether it was kept, and what was seen."""

    promise: str
    kept: bool
    seen: str


def check_everything(seen: Observation) -> list[Check]:
    """Return every check of the demo, in the order in which they are shown."""
    healthy, recovering, down = (_webhook(seen, role) for role in Role)
    return [
        _each_event_once(seen),
        _idempotent(seen),
        _succeeded_at_once(seen, healthy),
        _recovered(seen, recovering),
        _failed_then_cancelled(seen, down),
        _disabled(seen, down),
        _emailed(seen, down),
        _retried_on_time(seen),
        _in_order(seen),
        _signed(healthy),
        _signed(recovering),
        _charged(seen),
    ]


def check_exit(exit_code: int | None) -> Check:
    """Return the check that the daemon ended as asked to."""
    return Check("SIGTERM stops the daemon cleanly", exit_code == 0, f"exit code {exit_code}")


def _webhook(seen: Observation, role: Role) -> RegisteredWebhook:
    return next(each for each in seen.webhooks if each.receiver.role is role)


def _each_event_once(seen: Observation) -> Check:
    wanted = Counter((event.id, webhook.id) for event in seen.events for webhook in seen.webhooks)
    made = Counter((each.event_id, each.webhook_id) for each in seen.deliveries)
    text = f"{len(seen.events)} events, {len(seen.webhooks)} webhooks: {made.total()}"
    return Check("One delivery for each event and webhook", made == wanted, text)


def _idempotent(seen: Observation) -> Check:
    same = sum(event.id == event.repeated_id for event in seen.events)
    text = f"{same} of {len(seen.events)} got the first receipt"
    return Check("A repeated Idempotency-Key sends nothing", same == len(seen.events), text)


def _succeeded_at_once(seen: Observation, webhook: RegisteredWebhook) -> Check:
    mine = seen.deliveries_to(webhook)
    kept = _attempt_counts(mine) == [1] * len(seen.events) and all(each.status == "succeeded" for each in mine)
    return Check(f"{webhook.name}: each event at the first attempt", kept, _statuses(mine))


def _recovered(seen: Observation, webhook: RegisteredWebhook) -> Check:
    mine = seen.deliveries_to(webhook)
    counts = [3, *[1] * (len(seen.events) - 1)]
    kept = _attempt_counts(mine) == counts and all(each.status == "succeeded" for each in mine)
    promise = f"{webhook.name}: all, the first with 2 retries"
    return Check(promise, kept, f"attempts: {_listed(_attempt_counts(mine))}")


def _failed_then_cancelled(seen: Observation, webhook: RegisteredWebhook) -> Check:
    mine = seen.deliveries_to(webhook)
    failed, rest = mine[:_DISABLED_AFTER], mine[_DISABLED_AFTER:]
    kept = (
        [(each.status, len(each.attempts)) for each in failed] == [("failed", 4)] * _DISABLED_AFTER
        and len(rest) == len(seen.events) - _DISABLED_AFTER
        and all((each.status, each.cancel_reason) == ("cancelled", "webhook_disabled") for each in rest)
    )
    promise = f"{webhook.name}: 4 fail, the rest cancelled"
    return Check(promise, kept, _statuses(mine))


def _disabled(seen: Observation, webhook: RegisteredWebhook) -> Check:
    shown = seen.shown(webhook)
    others = all(seen.shown(each)["active"] for each in seen.webhooks if each is not webhook)
    kept = not shown["active"] and shown["disabledReason"] == "consecutive_failures" and others
    promise = f"Only {webhook.name} is disabled"
    return Check(promise, kept, str(shown["disabledReason"]))


def _emailed(seen: Observation, webhook: RegisteredWebhook) -> Check:
    kept = len(seen.emails) == 1 and all(
        ADDRESS in str(each["To"]) and webhook.name in str(each["Subject"]) for each in seen.emails
    )
    count = f"{len(seen.emails)} email" + ("" if len(seen.emails) == 1 else "s")
    return Check(f"Exactly one email to {ADDRESS}", kept, count)


def _retried_on_time(seen: Observation) -> Check:
    waits = [wait for each in seen.deliveries for wait in _waits(each)]
    kept = bool(waits) and all(wanted - _EARLY_S <= actual <= wanted + _LATE_S for wanted, actual in waits)
    latest = max((actual - wanted for wanted, actual in waits), default=0)
    text = f"{len(waits)} retries, at most {max(latest, 0) * 1000:.0f} ms late"
    return Check("Retries come after 1 s, 2 s and 4 s", kept, text)


def _waits(delivery: SeenDelivery) -> Iterator[tuple[float, float]]:
    for wanted, (failed, retried) in zip(_RETRY_DELAYS_S, pairwise(delivery.attempts), strict=False):
        yield wanted, retried.started_at - failed.ended_at


def _in_order(seen: Observation) -> Check:
    kept = True
    for webhook in seen.webhooks:
        attempts = [attempt for each in seen.deliveries_to(webhook) for attempt in each.attempts]
        kept &= all(later.started_at >= earlier.ended_at - _EARLY_S for earlier, later in pairwise(attempts))
        arrived = list(dict.fromkeys(request.header("webhook-id") for request in webhook.receiver.requests))
        if webhook.receiver.listener is not None:
            kept &= arrived == [each.id for each in seen.deliveries_to(webhook)]
    return Check("Each webhook in order, one at a time", kept, "as sent, and as received")


def _signed(webhook: RegisteredWebhook) -> Check:
    results = [verify(request, webhook.secret) for request in webhook.receiver.requests]
    valid = [each for each in results if each.signature is SignatureState.VALID and each.fresh]
    schemes = ["X-Kakiyo-Signature", "webhook-signature"] if _is_standard(webhook) else ["X-Kakiyo-Signature"]
    present = all(request.header(name.lower()) for request in webhook.receiver.requests for name in schemes)
    kept = bool(valid) and len(valid) == len(results) and present
    return Check(
        f"{webhook.name}: every signature is valid",
        kept,
        f"{len(valid)} requests, {'both schemes' if schemes[1:] else schemes[0]}",
    )


def _is_standard(webhook: RegisteredWebhook) -> bool:
    return (webhook.secret or "").startswith("whsec_")


def _charged(seen: Observation) -> Check:
    succeeded = sorted(each.id for each in seen.deliveries if each.status == "succeeded")
    charged = sorted(entry["deliveryId"] for entry in seen.ledger if entry["amount"] == -_PRICE)
    kept = charged == succeeded and seen.balance == GRANTED - _PRICE * len(succeeded)
    text = f"{len(succeeded)} successes, balance {seen.balance}"
    return Check("2 credits for each success, else none", kept, text)


def _attempt_counts(deliveries: Sequence[SeenDelivery]) -> list[int]:
    return [len(each.attempts) for each in deliveries]


def _statuses(deliveries: Sequence[SeenDelivery]) -> str:
    return ", ".join(f"{count} {status}" for status, count in Counter(each.status for each in deliveries).items())


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
