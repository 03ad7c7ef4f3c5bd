"""Writes: the mails in the outbox, and the results of sending them."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, update

from daemon.domain.mails import Mail
from daemon.store.commands import MailDeferred, MailSent
from daemon.store.mail_rows import mail_row
from daemon.store.rows import to_json
from daemon.store.schema import mails
from daemon.store.sequences import Sequences


def queue_mails(connection: Connection, queued: Sequence[Mail]) -> tuple[str, ...]:
    """Queue the mails that have recipients, due at once; return their ids."""
    rows = [mail_row(mail) for mail in queued if mail.recipients]
    if rows:
        connection.execute(insert(mails), rows)
    return tuple(row["id"] for row in rows)


def mark_sent(connection: Connection, commands: Sequence[MailSent], _sequences: Sequences) -> list[None]:
    """Take mails out of the outbox."""
    for command in commands:
        done = update(mails).where(mails.c.id == command.mail_id)
        connection.execute(done.values(sent_at=command.now, last_error=command.error))
    return [None] * len(commands)


def defer(connection: Connection, commands: Sequence[MailDeferred], _sequences: Sequences) -> list[None]:
    """Keep mails in the outbox for another attempt."""
    for command in commands:
        waiting = update(mails).where(mails.c.id == command.mail_id)
        connection.execute(
            waiting.values(
                recipients=to_json(command.recipients),
                attempts_made=command.attempts_made,
                next_attempt_at=command.next_attempt_at,
                last_error=command.error,
            )
        )
    return [None] * len(commands)
