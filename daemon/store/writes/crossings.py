"""Writes: who is told of a balance that has fallen below a limit, in the transaction that takes the credits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from daemon.domain.mails import Mail, MailKind
from daemon.domain.operations import OperationalType
from daemon.store.rows import texts
from daemon.store.schema import teams
from daemon.store.writes.mails import queue_mails
from daemon.store.writes.operational_events import News, tell_of_credits


@dataclass(frozen=True, slots=True)
class Crossing:
    """A team's balance fell below `limit`, with the ledger's entry of this id, at `now`."""

    kind: MailKind
    team_id: str
    balance: int
    limit: int
    entry_id: str
    now: int


@dataclass(frozen=True, slots=True)
class Told:
    """The ids of the mails that were queued, and whether operational webhooks are told."""

    mails: tuple[str, ...] = ()
    operations: bool = False


def tell_of_crossings(connection: Connection, crossings: Sequence[Crossing]) -> Mapping[str, Told]:
    """Queue a mail for each, and tell operational webhooks; return who is told, by the entries that made them.

    Whoever takes the credits holds the team's row: no other transaction sees the same crossing.
    """
    addresses = select(teams.c.id, teams.c.notification_emails).where(
        teams.c.id.in_({one.team_id for one in crossings})
    )
    recipients = {row.id: texts(row.notification_emails) for row in connection.execute(addresses)}
    queued = set(queue_mails(connection, [_mail(crossing, recipients[crossing.team_id]) for crossing in crossings]))
    told_of = tell_of_credits(connection, [_news(crossing) for crossing in crossings])
    told: dict[str, Told] = {}
    for crossing in crossings:
        entry_id, mail_id = crossing.entry_id, _mail_id(crossing)
        mails = (mail_id,) if mail_id in queued else ()
        told[entry_id] = Told((*told.get(entry_id, _NOBODY).mails, *mails), entry_id in told_of)
    return told


_NOBODY = Told()


def _mail_id(crossing: Crossing) -> str:
    return f"mail_{crossing.entry_id}_{crossing.kind}"


def _mail(crossing: Crossing, recipients: tuple[str, ...]) -> Mail:
    return Mail(
        id=_mail_id(crossing),
        team_id=crossing.team_id,
        recipients=recipients,
        webhook_id="",
        webhook_name="",
        webhook_url="",
        disabled_at=crossing.now,
        failures=(),
        created_at=crossing.now,
        kind=crossing.kind,
        balance=crossing.balance,
    )


def _news(crossing: Crossing) -> News:
    is_low = crossing.kind is MailKind.CREDITS_LOW
    return News(
        OperationalType.CREDITS_LOW if is_low else OperationalType.CREDITS_EXHAUSTED,
        crossing.team_id,
        cause=crossing.entry_id,
        now=crossing.now,
        facts={"balance": crossing.balance, **({"lowCredits": crossing.limit} if is_low else {})},
    )
