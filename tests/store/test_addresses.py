"""Notification addresses that confirm themselves, on both engines (contract "Notification addresses")."""

from typing import Any

import pytest

from daemon.domain.clock import DAY_MS
from daemon.domain.errors import AlreadyConfirmed, AskedTooOften, DaemonError, LinkOver, TooManyAddresses
from daemon.domain.mails import MailKind
from daemon.domain.team_addresses import MOST_ASKED_BY_A_TEAM, MOST_ASKED_OF_A_MAILBOX, MOST_OF_A_TEAM, mailbox_of
from daemon.store.address_commands import AskForAddress, ConfirmAddress, RemoveAddress
from daemon.store.commands import CreateTeam
from daemon.store.reads import actor_reads, api_reads
from tests.store.filling import NOW, AnyDatabase, a_pending_address, a_team, count, run

LATER = NOW + 1_000


@pytest.fixture(autouse=True)
def teams(database: AnyDatabase) -> None:
    for number in (1, 2):
        run(database, CreateTeam(a_team(number)))


def ask(database: AnyDatabase, number: int = 1, **values: Any) -> None:
    pending = a_pending_address(number, **values)
    run(database, AskForAddress(pending, mailbox_of(pending.email), b"digest %d" % number))


def refused(database: AnyDatabase, number: int, **values: Any) -> type[DaemonError]:
    before = count(database, "address_confirmations"), count(database, "mails")
    with pytest.raises(DaemonError) as raised:
        ask(database, number, **values)
    assert (count(database, "address_confirmations"), count(database, "mails")) == before
    return type(raised.value)


def emails(database: AnyDatabase, team_id: str = "team_1") -> tuple[str, ...]:
    with database.reading.connect() as connection:
        team = api_reads.get_team(connection, team_id)
    assert team is not None
    return team.notification_emails


def pending(database: AnyDatabase, now: int = NOW) -> list[str]:
    with database.reading.connect() as connection:
        return [one.email for one in api_reads.pending_addresses(connection, "team_1", now)]


def test_an_address_is_asked_by_one_mail_and_gets_others_once_it_has_confirmed(database: AnyDatabase) -> None:
    ask(database)
    with database.reading.connect() as connection:
        [mail] = actor_reads.due_mails(connection, NOW)
    assert (mail.kind, mail.recipients) == (MailKind.ADDRESS_CONFIRMATION, ("new@example.com",))
    assert (emails(database), pending(database)) == (("ops@example.com",), ["new@example.com"])
    team = run(database, ConfirmAddress(b"digest 1", LATER))
    assert team.notification_emails == emails(database) == ("ops@example.com", "new@example.com")
    assert pending(database) == []
    assert refused(database, 2) is AlreadyConfirmed


def test_a_link_confirms_once_for_its_team_while_it_is_valid(database: AnyDatabase) -> None:
    ask(database)
    ask(database, 2, email="late@example.com")
    for digest, now in ((b"digest 3", LATER), (b"digest 2", NOW + 60_000)):
        with pytest.raises(LinkOver):
            run(database, ConfirmAddress(digest, now))
    run(database, ConfirmAddress(b"digest 1", LATER))
    with pytest.raises(LinkOver):
        run(database, ConfirmAddress(b"digest 1", LATER))
    run(database, RemoveAddress("team_1", "new@example.com", LATER))
    with pytest.raises(LinkOver):
        run(database, ConfirmAddress(b"digest 1", LATER))
    assert (emails(database), emails(database, "team_2")) == (("ops@example.com",),) * 2


def test_what_is_asked_anew_makes_the_earlier_link_void(database: AnyDatabase) -> None:
    ask(database)
    ask(database, 2)
    assert pending(database) == ["new@example.com"]
    with pytest.raises(LinkOver):
        run(database, ConfirmAddress(b"digest 1", LATER))
    run(database, ConfirmAddress(b"digest 2", LATER))


def test_removing_ends_what_is_asked_and_what_is_confirmed(database: AnyDatabase) -> None:
    ask(database)
    assert run(database, RemoveAddress("team_2", "new@example.com", LATER)) is False
    assert run(database, RemoveAddress("team_1", "new@example.com", LATER)) is True
    assert run(database, RemoveAddress("team_1", "new@example.com", LATER)) is False
    with pytest.raises(LinkOver):
        run(database, ConfirmAddress(b"digest 1", LATER))
    assert run(database, RemoveAddress("team_1", "ops@example.com", LATER)) is True
    assert emails(database) == ()


def test_a_team_has_so_many_addresses_with_those_asked(database: AnyDatabase) -> None:
    for number in range(1, MOST_OF_A_TEAM):
        at = NOW + number * DAY_MS // 5
        ask(database, number, email=f"a{number}@example.com", created_at=at, expires_at=at + 9 * DAY_MS)
    assert refused(database, 99, email="x@example.com", created_at=at + DAY_MS) is TooManyAddresses
    for number in range(1, MOST_OF_A_TEAM):
        run(database, ConfirmAddress(b"digest %d" % number, at))
    assert len(emails(database)) == MOST_OF_A_TEAM
    assert refused(database, 99, email="x@example.com", created_at=at + DAY_MS) is TooManyAddresses


def test_a_team_asks_so_often_a_day_and_a_mailbox_is_asked_so_often_by_all(database: AnyDatabase) -> None:
    for number in range(MOST_ASKED_OF_A_MAILBOX):
        team = f"team_{1 + number % 2}"
        ask(database, number, team_id=team, email=("New+a@EXAMPLE.com", "new@example.com", "new+b@example.com")[number])
    for email in ("new@example.com", "nEw+c@example.com"):
        assert refused(database, 90, email=email, team_id="team_2") is AskedTooOften
    ask(database, 91, created_at=NOW + DAY_MS, expires_at=NOW + 2 * DAY_MS)
    for number in range(MOST_ASKED_BY_A_TEAM - 1):
        ask(database, 20 + number, email=f"a{number}@example.com", created_at=NOW + DAY_MS, expires_at=NOW + 2 * DAY_MS)
        run(database, RemoveAddress("team_1", f"a{number}@example.com", NOW + DAY_MS))
    assert refused(database, 92, email="x@example.com", created_at=NOW + DAY_MS) is AskedTooOften
    ask(database, 93, email="x@example.com", created_at=NOW + DAY_MS, team_id="team_2")


def test_what_has_expired_is_forgotten(database: AnyDatabase) -> None:
    ask(database, 1, email="a@example.com")
    ask(database, 2, email="b@example.com", created_at=NOW + 60_001, expires_at=NOW + 120_000)
    assert count(database, "address_confirmations") == 1
