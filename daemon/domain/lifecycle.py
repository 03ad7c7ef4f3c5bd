"""The rules for retries, failures, disabling and pauses, as pure functions (contract "A delivery", "Auto-disable").

    pending --2xx------------------------------> succeeded      counter := 0
    pending --failed attempt, retries left-----> pending        due after 1, 2, 4 s, or as the webhook has it
    pending --the same, if the webhook says so-> pending        the same, but aside: it holds no other one
    pending --failed attempt, none left--------> failed         counter + 1; at 4 the webhook is disabled
    pending --410, if the webhook says so------> failed         the webhook is disabled at once
    pending --webhook disabled or deleted------> cancelled
    pending --expired--------------------------> cancelled
    pending --webhook paused-------------------> pending        nothing begins until it is resumed

No other package decides whether to try again, whether a delivery is over, or whether to disable a webhook.
"""

from dataclasses import dataclass, replace

from daemon.domain.model import (
    CancelReason,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Origin,
    Outcome,
    OutcomeKind,
    Webhook,
)
from daemon.domain.operations import OperationalType
from daemon.domain.policy import Policy, asked_delay_s
from daemon.domain.retries import jittered
from daemon.domain.webhook_options import DEFAULT_OPTIONS, WebhookOptions, with_changed

# From so many failures in a row on a webhook is called failing.
FAILING_AFTER = 2
_GONE = 410
# An attempt that failed because of us (no file descriptor left) is repeated after this long.
_INTERRUPTED_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one attempt: the delivery's next state, the wait before a retry, the counter, disabling.

    `counted` is False for an attempt that never took place: it is repeated, with the same number. A delivery that
    `steps_aside` holds no other one of its webhook while it waits.
    """

    status: DeliveryStatus
    retry_in_s: float | None
    consecutive_failures: int
    disable: bool = False
    cancel_reason: CancelReason | None = None
    counted: bool = True
    disabled_reason: DisabledReason = DisabledReason.CONSECUTIVE_FAILURES
    steps_aside: bool = False


_SUCCESS = Verdict(DeliveryStatus.SUCCEEDED, None, 0)


def judge(
    policy: Policy,
    attempt_number: int,
    outcome: Outcome,
    consecutive_failures: int,
    cancelled: CancelReason | None = None,
    *,
    disables: bool = True,
    chance: float = 0.5,
    ended_at: int = 0,
    expires_at: int | None = None,
) -> Verdict:
    """Decide what follows from the attempt with this number (from 1) on a webhook with this failure counter.

    `chance`, from 0 to 1, decides on the jitter. The attempt ended at `ended_at`, in milliseconds: for Retry-After, and
    for whether the delivery has expired.

    `cancelled` says that the webhook was disabled or deleted while the attempt was in flight: a success still
    counts, a failure ends the delivery as cancelled and is not held against the webhook. Unless failures may be what
    `disables` it, they are only counted.
    """
    if outcome.delivered:
        return _SUCCESS
    if cancelled is not None:
        return Verdict(DeliveryStatus.CANCELLED, None, consecutive_failures, cancel_reason=cancelled)
    if outcome.kind is OutcomeKind.INTERRUPTED:
        return Verdict(DeliveryStatus.PENDING, _INTERRUPTED_RETRY_S, consecutive_failures, counted=False)
    if expires_at is not None and expires_at <= ended_at:
        return Verdict(DeliveryStatus.CANCELLED, None, consecutive_failures, cancel_reason=CancelReason.EXPIRED)
    gone = disables and policy.disables_on_gone and outcome.status == _GONE
    exhausted = gone or attempt_number > len(policy.retry_delays_s)
    failures = consecutive_failures + (exhausted or policy.count == "attempts")
    disable = gone or (disables and failures >= policy.disable_after)
    if exhausted or disable:
        reason = DisabledReason.GONE if gone else DisabledReason.CONSECUTIVE_FAILURES
        return Verdict(DeliveryStatus.FAILED, None, failures, disable=disable, disabled_reason=reason)
    delay_s = jittered(policy.retry_delays_s[attempt_number - 1], policy.jitter, chance)
    asked_s = asked_delay_s(policy, outcome, ended_at)
    delay_s = delay_s if asked_s is None else max(delay_s, asked_s)
    return Verdict(DeliveryStatus.PENDING, delay_s, failures, steps_aside=policy.steps_aside)


def failures_disable(webhook: Webhook) -> bool:
    """Whether failures disable this webhook: somebody watches a live listener, and mends what fails."""
    return not webhook.live


def is_plain_success(webhook: Webhook, verdict: Verdict) -> bool:
    """Whether this verdict leaves its webhook as it is: nothing that follows depends on it."""
    is_success = verdict.status is DeliveryStatus.SUCCEEDED and webhook.active
    return is_success and webhook.consecutive_failures == 0 and webhook.recovering_since is None


def recovers(webhook: Webhook, verdict: Verdict) -> bool:
    """Whether this is the first success of a webhook that was enabled again after its failures had disabled it."""
    is_success = verdict.status is DeliveryStatus.SUCCEEDED and webhook.active
    return is_success and webhook.recovering_since is not None


def operational_news(webhook: Webhook, verdict: Verdict) -> OperationalType | None:
    """What operational webhooks are told of a verdict on this webhook, None for nothing.

    Nothing is told of an operational webhook: what it fails to say would have to be said through it; nor of a live
    listener, which somebody watches.
    """
    if webhook.is_free:
        return None
    if verdict.disable:
        return OperationalType.WEBHOOK_DISABLED
    if recovers(webhook, verdict):
        return OperationalType.WEBHOOK_RECOVERED
    is_new = verdict.consecutive_failures != webhook.consecutive_failures
    return OperationalType.WEBHOOK_FAILING if is_new and verdict.consecutive_failures == FAILING_AFTER else None


def failed_deliveries(policy: Policy, consecutive_failures: int) -> int:
    """How many failed deliveries a failure counter represents, including the last one."""
    if policy.count == "deliveries":
        return consecutive_failures
    attempts_each = len(policy.retry_delays_s) + 1
    return -(-consecutive_failures // attempts_each)  # rounded up


def requeued_copy(delivery: Delivery, new_id: str, now: int) -> Delivery:
    """Return what resending a delivery makes of it, created at `now`; it keeps the old `seq`."""
    return replace(
        delivery,
        id=new_id,
        status=DeliveryStatus.PENDING,
        attempts_made=0,
        next_attempt_at=None,
        created_at=now,
        completed_at=None,
        cancel_reason=None,
        origin=Origin.RESEND,
        origin_id=delivery.id,
    )


@dataclass(frozen=True, slots=True)
class WebhookEdit:
    """What to change about a webhook; None leaves a field as it is. `active=True` re-enables and resets the counter.

    A new secret replaces the old one at once, and a removed one is gone: only `rotated` lets two sign side by side.
    `resumes_at` and `until_resumed`, which removes that time, are for `paused=True`. Of the `options` those count whose
    attributes `changed_options` names.
    """

    name: str | None = None
    url: str | None = None
    secret: str | None = None
    remove_secret: bool = False
    events: tuple[str, ...] | None = None
    active: bool | None = None
    paused: bool | None = None
    resumes_at: int | None = None
    until_resumed: bool = False
    options: WebhookOptions = DEFAULT_OPTIONS
    changed_options: tuple[str, ...] = ()


def cancel_reason_of(webhook: Webhook) -> CancelReason | None:
    """Why this webhook's pending deliveries are cancelled; None while it gets deliveries."""
    if webhook.deleted_at is not None:
        return CancelReason.WEBHOOK_DELETED
    return None if webhook.active else CancelReason.WEBHOOK_DISABLED


def may_be_edited(webhook: Webhook, edit: WebhookEdit) -> bool:
    """Whether this edit is possible: a webhook that is disabled, and stays so, cannot be paused."""
    active = webhook.active if edit.active is None else edit.active
    return active or not edit.paused


def edited(webhook: Webhook, edit: WebhookEdit, now: int) -> Webhook:
    """Return the webhook as it is after this edit, which must be possible, at `now`."""
    webhook = _with_secret_of(edit, _without_expired_secret(webhook, now))
    url = webhook.url if edit.url is None else edit.url
    webhook = replace(
        webhook,
        name=webhook.name if edit.name is None else edit.name,
        url=url,
        events=webhook.events if edit.events is None else edit.events,
        options=with_changed(webhook.options, edit.options, edit.changed_options, urls=(webhook.url, url)),
        updated_at=now,
    )
    return _with_pause_of(edit, _switched_on_or_off(edit, webhook, now), now)


def _switched_on_or_off(edit: WebhookEdit, webhook: Webhook, now: int) -> Webhook:
    if edit.active:
        return _enabled(webhook)
    if edit.active is False and webhook.active:
        return replace(_without_pause(webhook), active=False, disabled_reason=DisabledReason.MANUAL, disabled_at=now)
    return webhook


def _with_pause_of(edit: WebhookEdit, webhook: Webhook, now: int) -> Webhook:
    if edit.paused is None:
        return webhook
    if not edit.paused:
        return _without_pause(webhook)
    kept = None if edit.until_resumed else webhook.resumes_at
    return replace(
        webhook,
        paused_at=now if webhook.paused_at is None else webhook.paused_at,
        resumes_at=kept if edit.resumes_at is None else edit.resumes_at,
    )


def resumes_by(webhook: Webhook, now: int) -> bool:
    """Whether the webhook is paused until a time that has come at `now`."""
    return webhook.resumes_at is not None and webhook.resumes_at <= now


def resumed(webhook: Webhook, now: int) -> Webhook:
    """Return the webhook as it is when it was resumed at `now`."""
    return replace(_without_pause(webhook), updated_at=now)


def _enabled(webhook: Webhook) -> Webhook:
    failed = webhook.disabled_reason in (DisabledReason.CONSECUTIVE_FAILURES, DisabledReason.GONE)
    return replace(
        webhook,
        active=True,
        consecutive_failures=0,
        disabled_reason=None,
        disabled_at=None,
        recovering_since=webhook.disabled_at if failed else webhook.recovering_since,
    )


def rotated(before: Webhook, secret: str, expires_at: int, now: int, *, switch_now: bool = False) -> Webhook:
    """Return the webhook with this new (sealed) secret at `now`; the previous one also signs, until `expires_at`.

    `X-Kakiyo-Signature`, which holds one signature, uses the previous one for half of that time; with `switch_now`
    for none of it. Only the most recent previous one is kept, and only while it can sign.
    """
    webhook = replace(_without_previous_secret(before), secret=secret, updated_at=now)
    if before.secret is None or expires_at <= now:
        return webhook
    switches_at = now if switch_now else now + (expires_at - now) // 2
    return replace(
        webhook,
        previous_secret=before.secret,
        previous_secret_expires_at=expires_at,
        signature_switches_at=switches_at,
    )


def switched(webhook: Webhook, now: int) -> Webhook:
    """Return the webhook with `X-Kakiyo-Signature` using its new secret from `now` on, if it does not yet."""
    return replace(webhook, signature_switches_at=now, updated_at=now) if is_before_switch(webhook, now) else webhook


def is_before_switch(webhook: Webhook, now: int) -> bool:
    """Whether `X-Kakiyo-Signature` is still made with the secret that a rotation replaced."""
    switches_at = webhook.signature_switches_at
    return previous_secret_is_valid(webhook, now) and switches_at is not None and now < switches_at


def previous_secret_is_valid(webhook: Webhook, now: int) -> bool:
    """Whether the secret that a rotation replaced still signs at `now` (milliseconds, wall clock)."""
    return webhook.previous_secret_expires_at is not None and now < webhook.previous_secret_expires_at


def deleted(webhook: Webhook, now: int) -> Webhook:
    """Return the webhook as a deleted one; its secrets and its options, which may hold some, are forgotten."""
    webhook = _without_pause(_without_previous_secret(webhook))
    return replace(webhook, active=False, secret=None, options=DEFAULT_OPTIONS, deleted_at=now, updated_at=now)


def after_verdict(webhook: Webhook, verdict: Verdict, now: int) -> Webhook:
    """Return the webhook as it is after an attempt on it was judged at `now`."""
    if verdict.consecutive_failures != webhook.consecutive_failures:
        webhook = replace(webhook, consecutive_failures=verdict.consecutive_failures)
    if recovers(webhook, verdict):
        webhook = replace(webhook, recovering_since=None)
    if not verdict.disable:
        return webhook
    reason = verdict.disabled_reason
    return replace(_without_pause(webhook), active=False, disabled_reason=reason, disabled_at=now, updated_at=now)


def _with_secret_of(edit: WebhookEdit, webhook: Webhook) -> Webhook:
    if edit.secret is None and not edit.remove_secret:
        return webhook
    return replace(_without_previous_secret(webhook), secret=None if edit.remove_secret else edit.secret)


def _without_expired_secret(webhook: Webhook, now: int) -> Webhook:
    return webhook if previous_secret_is_valid(webhook, now) else _without_previous_secret(webhook)


def _without_pause(webhook: Webhook) -> Webhook:
    return webhook if webhook.paused_at is None else replace(webhook, paused_at=None, resumes_at=None)


def _without_previous_secret(webhook: Webhook) -> Webhook:
    return replace(webhook, previous_secret=None, previous_secret_expires_at=None, signature_switches_at=None)
