"""Writes: disabling a webhook also cancels its pending deliveries, and is told by mail and to operational webhooks."""

from dataclasses import replace

from sqlalchemy import Connection, select, update

from daemon.domain.mails import Mail, MailKind
from daemon.domain.model import CancelReason
from daemon.store.commands import RecordAttempt, Recorded
from daemon.store.reads.failures import failures_of
from daemon.store.rows import texts
from daemon.store.schema import teams, webhooks
from daemon.store.writes.cancelling import cancel_pending
from daemon.store.writes.mails import queue_mails
from daemon.store.writes.operational_events import tell_of_webhook


def disable_webhook(connection: Connection, command: RecordAttempt) -> Recorded:
    """Disable the webhook whose failures reached the limit, or whose receiver is gone (contract "Auto-disable")."""
    connection.execute(
        update(webhooks)
        .where(webhooks.c.id == command.webhook_id)
        .values(
            active=False,
            disabled_reason=command.verdict.disabled_reason,
            disabled_at=command.now,
            paused_at=None,
            resumes_at=None,
            updated_at=command.now,
        )
    )
    cancelled = cancel_pending(
        connection,
        command.webhook_id,
        reason=CancelReason.WEBHOOK_DISABLED,
        now=command.now,
        but_seqs=command.others_in_flight,
    )
    return Recorded(cancelled, _queue_mails(connection, command), told=tell_of_webhook(connection, command))


def _queue_mails(connection: Connection, command: RecordAttempt) -> tuple[str, ...]:
    """Queue a mail to the team and one to the operator: each reaches its readers, or is retried, by itself."""
    query = (
        select(webhooks.c.name, webhooks.c.url, teams.c.notification_emails)
        .join_from(webhooks, teams, webhooks.c.team_id == teams.c.id)
        .where(webhooks.c.id == command.webhook_id)
    )
    row = connection.execute(query).one()
    recipients = texts(row.notification_emails)
    if not recipients and not command.operator_address:
        return ()
    assert command.mail_id is not None, "whoever disables a webhook gives an id for the mail"
    mail = Mail(
        id=command.mail_id,
        team_id=command.team_id,
        recipients=recipients,
        webhook_id=command.webhook_id,
        webhook_name=row.name,
        webhook_url=row.url,
        disabled_at=command.now,
        failures=tuple(failures_of(connection, command.webhook_id, command.failures_shown)),
        created_at=command.now,
    )
    return queue_mails(connection, [mail, _for_operator(mail, command.operator_address)])


def _for_operator(mail: Mail, address: str) -> Mail:
    recipients = (address,) if address else ()
    return replace(mail, id=f"{mail.id}_operator", kind=MailKind.DISABLED_FOR_OPERATOR, recipients=recipients)
