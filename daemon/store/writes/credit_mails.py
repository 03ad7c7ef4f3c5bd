"""Writes: emails about a balance that has fallen below a limit, in the transaction that takes the credits."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from daemon.domain.mails import Mail, MailKind
from daemon.store.rows import texts
from daemon.store.schema import teams
from daemon.store.writes.mails import queue_mails

# Kind of mail, team id, balance, id of the ledger entry that made it, time.
Crossing = tuple[MailKind, str, int, str, int]


def tell_of_crossings(connection: Connection, crossings: Sequence[Crossing]) -> None:
    """Queue a mail for each. Whoever takes the credits holds the team's row: no other transaction sees the same one."""
    addresses = select(teams.c.id, teams.c.notification_emails).where(teams.c.id.in_({one[1] for one in crossings}))
    recipients = {row.id: texts(row.notification_emails) for row in connection.execute(addresses)}
    queue_mails(connection, [_mail(crossing, recipients[crossing[1]]) for crossing in crossings])


def _mail(crossing: Crossing, recipients: tuple[str, ...]) -> Mail:
    kind, team_id, balance, entry_id, now = crossing
    return Mail(
        id=f"mail_{entry_id}_{kind}",
        team_id=team_id,
        recipients=recipients,
        webhook_id="",
        webhook_name="",
        webhook_url="",
        disabled_at=now,
        failures=(),
        created_at=now,
        kind=kind,
        balance=balance,
    )
