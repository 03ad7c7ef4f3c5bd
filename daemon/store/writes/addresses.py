"""Writes: notification addresses that confirm themselves.

Each locks its team's row first: on several nodes, too, the limits of a team hold.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from daemon.domain.clock import DAY_MS
from daemon.domain.errors import AlreadyConfirmed, AskedTooOften, DaemonError, LinkOver, TooManyAddresses
from daemon.domain.mails import Mail, MailKind
from daemon.domain.model import Team
from daemon.domain.team_addresses import (
    MOST_ASKED_BY_A_TEAM,
    MOST_ASKED_OF_A_MAILBOX,
    MOST_OF_A_TEAM,
    PendingAddress,
)
from daemon.store.address_commands import AskForAddress, ConfirmAddress, RemoveAddress
from daemon.store.rows import team, texts, to_json
from daemon.store.schema import address_confirmations, teams
from daemon.store.sequences import Sequences
from daemon.store.writes.mails import queue_mails

# More than can come in between: a team asks few a day.
_OVER_AT_ONCE = 100
_ASKED = address_confirmations.c


def ask_for_addresses(
    connection: Connection, commands: Sequence[AskForAddress], _sequences: Sequences
) -> list[DaemonError | None]:
    """Queue the mails that ask, as far as they may."""
    return [_ask(connection, command) for command in commands]


def _ask(connection: Connection, command: AskForAddress) -> DaemonError | None:
    pending, now = command.pending, command.pending.created_at
    emails = _lock(connection, pending.team_id)
    if pending.email in emails:
        return AlreadyConfirmed(f"the team's mails go to {pending.email} already: there is nothing to confirm")
    waiting = select(_ASKED.email).where(_ASKED.team_id == pending.team_id, *_is_open(now))
    asked = {row.email for row in connection.execute(waiting)} - {pending.email}
    if len(emails) + len(asked) >= MOST_OF_A_TEAM:
        return TooManyAddresses(MOST_OF_A_TEAM)
    if (refused := _asked_too_often(connection, command)) is not None:
        return refused
    _end(connection, pending.team_id, pending.email, now=now)
    over = select(_ASKED.seq).where(_ASKED.expires_at < now).order_by(_ASKED.expires_at).limit(_OVER_AT_ONCE)
    connection.execute(delete(address_confirmations).where(_ASKED.seq.in_(over)))
    row = {
        "mail_id": pending.mail_id,
        "team_id": pending.team_id,
        "email": pending.email,
        "mailbox": command.mailbox,
        "digest": command.digest,
        "created_at": now,
        "expires_at": pending.expires_at,
    }
    connection.execute(insert(address_confirmations).values(row))
    queue_mails(connection, [_mail(pending)])
    return None


def _asked_too_often(connection: Connection, command: AskForAddress) -> AskedTooOften | None:
    """Return the refusal if the mails of a day are used up: those of the team, or those to the mailbox."""
    now = command.pending.created_at
    for limit, these in (
        (MOST_ASKED_BY_A_TEAM, _ASKED.team_id == command.pending.team_id),
        (MOST_ASKED_OF_A_MAILBOX, _ASKED.mailbox == command.mailbox),
    ):
        asked = select(func.count(), func.min(_ASKED.created_at)).where(these, _ASKED.created_at > now - DAY_MS)
        count, first = connection.execute(asked).one()
        if count >= limit:
            return AskedTooOften(max(1, (first + DAY_MS - now) // 1000))
    return None


def confirm_addresses(
    connection: Connection, commands: Sequence[ConfirmAddress], _sequences: Sequences
) -> list[Team | DaemonError]:
    """Have teams' mails go to the addresses that confirm."""
    return [_confirm(connection, command) for command in commands]


def _confirm(connection: Connection, command: ConfirmAddress) -> Team | DaemonError:
    of_token = select(address_confirmations).where(_ASKED.digest == command.digest, *_is_open(command.now))
    if (found := connection.execute(of_token).first()) is None:
        return LinkOver("the link was used, was withdrawn or has expired")
    emails = _lock(connection, found.team_id)
    if connection.execute(of_token).first() is None:  # another node was quicker
        return LinkOver("the link was used, was withdrawn or has expired")
    if found.email not in emails:
        if len(emails) >= MOST_OF_A_TEAM:
            return TooManyAddresses(MOST_OF_A_TEAM)
        _save(connection, found.team_id, (*emails, found.email))
    _end(connection, found.team_id, found.email, now=command.now)
    return team(_team(connection, found.team_id))


def remove_addresses(connection: Connection, commands: Sequence[RemoveAddress], _sequences: Sequences) -> list[bool]:
    """Have teams' mails no longer go to addresses."""
    return [_remove(connection, command) for command in commands]


def _remove(connection: Connection, command: RemoveAddress) -> bool:
    emails = _lock(connection, command.team_id)
    was_asked = _end(connection, command.team_id, command.email, now=command.now)
    if command.email not in emails:
        return was_asked
    _save(connection, command.team_id, tuple(email for email in emails if email != command.email))
    return True


def _lock(connection: Connection, team_id: str) -> tuple[str, ...]:
    """Return a team's addresses; no other transaction changes them before this one ends."""
    row = select(teams.c.notification_emails).where(teams.c.id == team_id).with_for_update()
    return texts(connection.execute(row).scalar_one())


def _team(connection: Connection, team_id: str) -> Row[tuple[object, ...]]:
    return connection.execute(select(teams).where(teams.c.id == team_id)).one()


def _save(connection: Connection, team_id: str, emails: tuple[str, ...]) -> None:
    connection.execute(update(teams).where(teams.c.id == team_id).values(notification_emails=to_json(emails)))


def _end(connection: Connection, team_id: str, email: str, now: int) -> bool:
    """End what an address was asked; return whether it was."""
    these = _ASKED.team_id == team_id, _ASKED.email == email, *_is_open(now)
    return connection.execute(update(address_confirmations).where(*these).values(ended_at=now)).rowcount > 0


def _is_open(now: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _ASKED.ended_at.is_(None), _ASKED.expires_at > now


def _mail(pending: PendingAddress) -> Mail:
    return Mail(
        id=pending.mail_id,
        team_id=pending.team_id,
        recipients=(pending.email,),
        webhook_id="",
        webhook_name="",
        webhook_url="",
        disabled_at=pending.created_at,
        failures=(),
        created_at=pending.created_at,
        kind=MailKind.ADDRESS_CONFIRMATION,
    )
