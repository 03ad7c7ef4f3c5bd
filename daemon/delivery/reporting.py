"""Logs, counts and publishes what happens to deliveries (`log_events` lists the fields)."""

from collections.abc import Iterable
from typing import Any

import trio

from daemon.domain.lifecycle import Verdict
from daemon.domain.model import Attempt, CancelReason, DeliveryStatus, OutcomeKind, Webhook, Work
from daemon.domain.trace_context import trace_id_of
from daemon.store.cancel_commands import CancelledPage
from daemon.store.commands import Cancelled, Recorded
from daemon.telemetry.telemetry import Telemetry

_LINES_AT_ONCE = 100


class DeliveryLog:
    """One log line per attempt, which includes the final state if it was the last one; one per disabled webhook.

    `price` is what a success costs, in credits.
    """

    def __init__(self, telemetry: Telemetry, *, price: int) -> None:
        self.log = telemetry.log
        self.price = price
        self._metrics = telemetry.metrics
        self._changes = telemetry.changes
        self._spans = telemetry.spans

    def price_of(self, webhook: Webhook) -> int:
        """Return what a success of this webhook costs: what tells of credits must not need any."""
        return 0 if webhook.is_free else self.price

    def attempt_ended(self, webhook: Webhook, work: Work, *, attempt: Attempt, verdict: Verdict) -> None:
        """Report a committed attempt and, if it was the last one, the delivery's final state."""
        self._metrics.attempts[attempt.outcome.kind].inc()
        self._spans.attempt_ended(webhook, work, attempt)
        self._metrics.attempt_duration_seconds.observe(attempt.outcome.duration_ms / 1000)
        if attempt.number == 1:
            # The wall clock may have been set back meanwhile.
            delay_ms = max(0, attempt.started_at - work.created_at)
            self._metrics.first_attempt_delay_seconds.observe(delay_ms / 1000)
        self._changes.publish(webhook.team_id, webhook.id)
        fields = self._fields(webhook, work, attempt)
        if verdict.retry_in_s is None:
            self._delivery_ended(webhook, fields, verdict)
        else:
            self.log.info("attempt_ended", **fields, retryInMs=round(verdict.retry_in_s * 1000))

    def interrupted(self, webhook: Webhook, work: Work, attempt: Attempt) -> None:
        """Report an attempt that does not count: our own shutdown cut it short, or it could not even begin."""
        self._metrics.attempts[OutcomeKind.INTERRUPTED].inc()
        self.log.info("attempt_ended", **self._fields(webhook, work, attempt), retryInMs=None)

    async def webhook_disabled(self, webhook: Webhook, recorded: Recorded) -> None:
        """Report a webhook disabled by its failures, and the consequences."""
        self._metrics.webhooks_disabled.inc()
        owner = {"webhookId": webhook.id, "teamId": webhook.team_id}
        self.log.warning(
            "webhook_disabled",
            **owner,
            reason=webhook.disabled_reason,
            consecutiveFailures=webhook.consecutive_failures,
            cancelled=recorded.cancelled.count,
        )
        await self.cancelled(webhook, recorded.cancelled, CancelReason.WEBHOOK_DISABLED)

    def mails_queued(self, webhook: Webhook, mails: Iterable[str]) -> None:
        """Report mails about a webhook that wait to be sent."""
        for mail_id in mails:
            self.log.info("mail_queued", mailId=mail_id, webhookId=webhook.id, teamId=webhook.team_id)

    async def cancelled(self, webhook: Webhook, cancelled: Cancelled, reason: CancelReason) -> None:
        """Report deliveries that were cancelled at once: each one, then the total, unless `page_cancelled` will."""
        if not cancelled.count:
            return
        self._changes.publish(webhook.team_id, webhook.id)
        self._metrics.deliveries[DeliveryStatus.CANCELLED].inc(cancelled.count)
        log = self.log.bind(webhookId=webhook.id, teamId=webhook.team_id, reason=reason)
        for place, one in enumerate(cancelled.first):
            log.info("delivery_cancelled", deliveryId=one.delivery_id, eventId=one.event_id, eventType=one.event_type)
            if place % _LINES_AT_ONCE == _LINES_AT_ONCE - 1:
                await trio.lowlevel.checkpoint()
        if not cancelled.more:
            log.info("deliveries_cancelled", count=cancelled.count)

    def page_cancelled(self, page: CancelledPage) -> None:
        """Report deliveries that were cancelled later: the total, once the last one is cancelled."""
        self._changes.publish(page.team_id, page.webhook_id)
        self._metrics.deliveries[DeliveryStatus.CANCELLED].inc(page.count)
        if page.total:
            owner = {"webhookId": page.webhook_id, "teamId": page.team_id}
            self.log.info("deliveries_cancelled", **owner, reason=page.reason, count=page.total)

    def waiting_for_credits(self, webhook: Webhook, work: Work) -> None:
        """Report that a delivery, and those behind it, wait until the team has credits."""
        self._changes.publish(webhook.team_id, webhook.id)
        self.log.warning(
            "delivery_awaiting_credits",
            webhookId=webhook.id,
            teamId=webhook.team_id,
            deliveryId=work.delivery_id,
            eventId=work.event_id,
        )

    def _delivery_ended(self, webhook: Webhook, fields: dict[str, Any], verdict: Verdict) -> None:
        self._metrics.deliveries[verdict.status].inc()
        self._metrics.recently_ended.count()
        if verdict.status is DeliveryStatus.SUCCEEDED:
            self._metrics.credits_consumed.inc(self.price_of(webhook))
            self.log.info("delivery_succeeded", **fields)
        elif verdict.status is DeliveryStatus.FAILED:
            self.log.warning("delivery_failed", **fields, consecutiveFailures=verdict.consecutive_failures)
        else:
            self.log.info("delivery_cancelled", **fields, reason=verdict.cancel_reason)

    def _fields(self, webhook: Webhook, work: Work, attempt: Attempt) -> dict[str, Any]:
        return {
            "eventId": work.event_id,
            "eventType": work.event_type,
            "deliveryId": work.delivery_id,
            "webhookId": webhook.id,
            "teamId": webhook.team_id,
            "attempt": attempt.number,
            "outcome": attempt.outcome.kind,
            "status": attempt.outcome.status,
            "durationMs": attempt.outcome.duration_ms,
            "error": attempt.outcome.error,
            "test": work.test,
            "traceId": trace_id_of(work.traceparent),
            **({} if attempt.outcome.detail is None else {"detail": attempt.outcome.detail}),
        }
