"""Writes: emails about a balance that has fallen below a limit, in the transaction that takes the credits."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from daemon.domain.mails import Mail, MailKind
from daemon.store.rows import texts
from daemon.store.schema import teams
from daemon.store.writes.mails import queue_mails

# Kind of mail, team id, balance, id of the ledger entry that made it, time.
Crossing = tuple[MailKind, str, int, str, int]


def tell_of_crossings(connection: Connection, crossings: Sequence[Crossing]) -> Mapping[str, tuple[str, ...]]:
    """Queue a mail for each; return the ids of those that wait to be sent, by the entries that made them.

    Whoever takes the credits holds the team's row: no other transaction sees the same crossing.
    """
    addresses = select(teams.c.id, teams.c.notification_emails).where(teams.c.id.in_({one[1] for one in crossings}))
    recipients = {row.id: texts(row.notification_emails) for row in connection.execute(addresses)}
    queued = set(queue_mails(connection, [_mail(crossing, recipients[crossing[1]]) for crossing in crossings]))
    of_entries: dict[str, tuple[str, ...]] = {}
    for kind, _, _, entry_id, _ in crossings:
        if (mail_id := _mail_id(entry_id, kind)) in queued:
            of_entries[entry_id] = (*of_entries.get(entry_id, ()), mail_id)
    return of_entries


def _mail_id(entry_id: str, kind: MailKind) -> str:
    return f"mail_{entry_id}_{kind}"


def _mail(crossing: Crossing, recipients: tuple[str, ...]) -> Mail:
    kind, team_id, balance, entry_id, now = crossing
    return Mail(
        id=_mail_id(entry_id, kind),
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
