"""Writes: a webhook that was disabled works again, of which an email tells its team, and operational webhooks."""

from sqlalchemy import Connection, select, update

from daemon.domain.mails import Mail, MailKind
from daemon.store.commands import RecordAttempt, Recorded
from daemon.store.rows import texts
from daemon.store.schema import teams, webhooks
from daemon.store.writes.mails import queue_mails
from daemon.store.writes.operational_events import tell_of_webhook


def recover_webhook(connection: Connection, command: RecordAttempt) -> Recorded:
    """Keep that the webhook works again (contract "Auto-disable"), once for each disabling."""
    this = webhooks.c.id == command.webhook_id
    recovering = update(webhooks).where(this, webhooks.c.recovering_since.is_not(None))
    if not connection.execute(recovering.values(recovering_since=None)).rowcount:
        return Recorded()
    mails = queue_mails(connection, [_mail(connection, command)])
    return Recorded(mails=mails, told=tell_of_webhook(connection, command))


def _mail(connection: Connection, command: RecordAttempt) -> Mail:
    query = select(webhooks.c.name, webhooks.c.url, teams.c.notification_emails)
    query = query.join_from(webhooks, teams, webhooks.c.team_id == teams.c.id)
    row = connection.execute(query.where(webhooks.c.id == command.webhook_id)).one()
    assert command.mail_id is not None, "whoever recovers a webhook gives an id for the mail"
    return Mail(
        id=command.mail_id,
        team_id=command.team_id,
        recipients=texts(row.notification_emails),
        webhook_id=command.webhook_id,
        webhook_name=row.name,
        webhook_url=row.url,
        disabled_at=command.recovered_from or command.now,
        failures=(),
        created_at=command.now,
        kind=MailKind.RECOVERED,
    )
