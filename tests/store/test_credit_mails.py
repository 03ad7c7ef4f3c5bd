"""Mails about balances are queued with what takes the credits, once for each time that a limit is crossed."""

from msgspec import structs

from daemon.domain.mails import MailKind
from daemon.domain.model import TeamEdit
from daemon.store.commands import GrantCredits, SaveTeam
from daemon.store.reads import actor_reads
from daemon.store.writes.batch import run_batch
from tests.store.filling import NOW, AnyDatabase, accept, count, found, recording, run

LATER = NOW + 10**9


def prepared(database: AnyDatabase, balance: int, low: int | None) -> None:
    found(database)
    run(database, GrantCredits("crd_first", "team_1", balance, None, NOW))
    if low is not None:
        run(database, SaveTeam("team_1", TeamEdit(low_credits=low)))


def told(database: AnyDatabase) -> list[tuple[MailKind, int | None]]:
    with database.reading.connect() as connection:
        return [(mail.kind, mail.balance) for mail in actor_reads.due_mails(connection, LATER)]


def test_a_balance_that_falls_below_the_threshold_is_told_once(database: AnyDatabase) -> None:
    prepared(database, 10, low=6)
    works = accept(database, range(4))
    for work in works:
        run(database, recording(work, 1))
    run(database, recording(works[-1], 1))
    assert told(database) == [(MailKind.CREDITS_LOW, 4)]


def test_it_is_told_again_only_after_a_grant_brought_it_above(database: AnyDatabase) -> None:
    prepared(database, 6, low=6)
    first, second, third = accept(database, range(3))
    run(database, recording(first, 1))
    run(database, GrantCredits("crd_small", "team_1", 1, None, NOW))
    run(database, recording(second, 1))
    assert told(database) == [(MailKind.CREDITS_LOW, 4)]
    run(database, GrantCredits("crd_more", "team_1", 4, None, NOW))
    run(database, recording(third, 1))
    assert told(database) == [(MailKind.CREDITS_LOW, 4), (MailKind.CREDITS_LOW, 5)]


def test_deliveries_that_are_charged_together_tell_of_one_crossing(database: AnyDatabase) -> None:
    prepared(database, 10, low=6)
    run_batch(database, [recording(work, 1) for work in accept(database, range(5))])
    assert told(database) == [(MailKind.CREDITS_LOW, 0)]


def test_a_correction_that_takes_credits_away_is_told_too(database: AnyDatabase) -> None:
    prepared(database, 10, low=6)
    run(database, GrantCredits("crd_wrong", "team_1", -7, "typo", NOW))
    assert told(database) == [(MailKind.CREDITS_LOW, 3)]


def test_a_correction_that_takes_the_last_credits_is_told_too_where_they_are_enforced(database: AnyDatabase) -> None:
    prepared(database, 10, low=6)
    granted = run(database, GrantCredits("crd_wrong", "team_1", -9, "typo", NOW, exhausted_below=2))
    assert told(database) == [(MailKind.CREDITS_LOW, 1), (MailKind.CREDITS_EXHAUSTED, 1)]
    assert len(granted.mails) == 2


def test_whoever_takes_the_credits_learns_which_mails_are_queued(database: AnyDatabase) -> None:
    prepared(database, 10, low=6)
    answers = run_batch(database, [recording(work, 1) for work in accept(database, range(5))])
    with database.reading.connect() as connection:
        queued = [mail.id for mail in actor_reads.due_mails(connection, LATER)]
    assert [mail for answer in answers for mail in answer.mails] == queued
    assert len(queued) == 1


def test_a_team_without_a_threshold_is_told_nothing(database: AnyDatabase) -> None:
    prepared(database, 3, low=None)
    for work in accept(database, range(2)):
        run(database, recording(work, 1))
    assert count(database, "mails") == 0


def test_credits_that_are_used_up_are_told_once_where_they_are_enforced(database: AnyDatabase) -> None:
    prepared(database, 4, low=None)
    for work in accept(database, range(3)):
        run(database, structs.replace(recording(work, 1), exhausted_below=2))
    assert told(database) == [(MailKind.CREDITS_EXHAUSTED, 0)]
