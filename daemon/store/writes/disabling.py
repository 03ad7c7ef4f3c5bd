"""Writes: disabling a webhook also cancels its pending deliveries and queues an email to its team."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select, update

from daemon.domain.model import CancelReason, DisabledReason, FailedDelivery
from daemon.store.commands import RecordAttempt, Recorded
from daemon.store.reads.failures import failures_of
from daemon.store.rows import to_json
from daemon.store.schema import mails, teams, webhooks
from daemon.store.writes.cancelling import cancel_pending


def disable_webhook(connection: Connection, command: RecordAttempt) -> Recorded:
    """Disable the webhook whose failure counter has reached its limit (contract "Auto-disable")."""
    connection.execute(
        update(webhooks)
        .where(webhooks.c.id == command.webhook_id)
        .values(
            active=False,
            disabled_reason=DisabledReason.CONSECUTIVE_FAILURES,
            disabled_at=command.now,
            paused_at=None,
            resumes_at=None,
            updated_at=command.now,
        )
    )
    cancelled = cancel_pending(connection, command.webhook_id, reason=CancelReason.WEBHOOK_DISABLED, now=command.now)
    return Recorded(cancelled, _queue_mail(connection, command))


def _queue_mail(connection: Connection, command: RecordAttempt) -> bool:
    query = (
        select(webhooks.c.name, webhooks.c.url, teams.c.notification_emails)
        .join_from(webhooks, teams, webhooks.c.team_id == teams.c.id)
        .where(webhooks.c.id == command.webhook_id)
    )
    row = connection.execute(query).one()
    if row.notification_emails == "[]":
        return False
    failures = failures_of(connection, command.webhook_id, command.failures_shown)
    connection.execute(insert(mails), [_mail_row(command, row, failures)])
    return True


def _mail_row(command: RecordAttempt, row: Any, failures: list[FailedDelivery]) -> dict[str, Any]:
    return {
        "id": command.mail_id,
        "team_id": command.team_id,
        "webhook_id": command.webhook_id,
        "webhook_name": row.name,
        "webhook_url": row.url,
        "disabled_at": command.now,
        "failures": to_json([asdict(failure) for failure in failures]),
        "recipients": row.notification_emails,
        "created_at": command.now,
        "attempts_made": 0,
        "next_attempt_at": command.now,
    }
