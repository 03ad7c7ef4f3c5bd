"""What operational webhooks are to be told is kept with what causes it, for those alone who ask for it."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from daemon.domain.lifecycle import Verdict
from daemon.domain.model import DeliveryStatus, Team, TeamEdit
from daemon.domain.operational_events import OperationalEvent
from daemon.domain.operations import OPERATORS_TEAM, About, OperationalType
from daemon.store.commands import (
    CreateTeam,
    CreateWebhook,
    GrantCredits,
    OperationalEventSubmitted,
    RecordAttempt,
    Recorded,
    SaveTeam,
)
from daemon.store.reads import actor_reads
from daemon.store.writes.batch import run_batch
from tests.store.filling import NOW, AnyDatabase, a_team, a_webhook, accept, count, found, recording, run

FAILING, DISABLED = OperationalType.WEBHOOK_FAILING, OperationalType.WEBHOOK_DISABLED


def listening(database: AnyDatabase, *events: str, team_id: str = "team_1", number: int = 8) -> None:
    """Make an operational webhook of this team."""
    webhook = replace(a_webhook(number, events=events or ("*",), about=About.OPERATIONS), team_id=team_id)
    run(database, CreateWebhook(webhook))


def the_operator_listens(database: AnyDatabase) -> None:
    run(database, CreateTeam(Team(OPERATORS_TEAM, "Operator", (), NOW)))
    listening(database, team_id=OPERATORS_TEAM, number=9)


def outbox(database: AnyDatabase) -> Sequence[OperationalEvent]:
    with database.reading.connect() as connection:
        return actor_reads.waiting_operational_events(connection)


def failed(database: AnyDatabase, number: int, news: OperationalType | None, *, failures: int = 1) -> RecordAttempt:
    """Return the last failed attempt of a new delivery."""
    [work] = accept(database, [number])
    command = recording(work, 1, status=500, failures=failures)
    verdict = Verdict(DeliveryStatus.FAILED, None, failures + 1, disable=news is DISABLED)
    return structs.replace(command, verdict=verdict, next_attempt_at=None, news=news)


def test_nobody_who_does_not_ask_is_told(database: AnyDatabase) -> None:
    found(database)
    listening(database, "credits.low")
    run(database, CreateTeam(a_team(2)))
    listening(database, team_id="team_2", number=7)
    assert run(database, failed(database, 1, FAILING)) == Recorded()
    assert count(database, "operational_events") == 0


def test_a_team_and_the_operator_are_told_with_the_attempt_that_causes_it(database: AnyDatabase) -> None:
    found(database)
    listening(database, FAILING)
    the_operator_listens(database)
    command = failed(database, 1, FAILING)
    assert run(database, command) == Recorded(told=True)
    mine, the_operators = outbox(database)
    assert (mine.team_id, the_operators.team_id) == ("team_1", OPERATORS_TEAM)
    assert mine.about_team_id == the_operators.about_team_id == "team_1"
    assert mine.facts == the_operators.facts
    assert mine.facts["webhook"] == {"id": "wh_1", "name": "CRM", "host": "1.example"}
    # It is harmless to repeat a command of which nobody knows whether it was committed.
    assert run(database, command) == Recorded()
    assert len(outbox(database)) == 2


def test_what_is_refused_with_its_attempt_is_not_told(database: AnyDatabase) -> None:
    found(database)
    listening(database)
    first = failed(database, 1, FAILING)
    again = structs.replace(first, attempt=replace(first.attempt, number=2))
    answers = run_batch(database, [first, again])
    assert [isinstance(answer, Recorded) for answer in answers] == [True, True]
    assert len(outbox(database)) == 1


def test_a_webhook_that_fails_again_and_again_is_told_of_once_until_that_is_submitted(database: AnyDatabase) -> None:
    found(database)
    listening(database)
    for number in range(1, 6):
        run(database, failed(database, number, FAILING))
    [event] = outbox(database)
    run(database, OperationalEventSubmitted(event.id))
    assert outbox(database) == []
    run(database, failed(database, 6, FAILING))
    assert len(outbox(database)) == 1


def test_who_was_told_does_not_keep_others_from_being_told(database: AnyDatabase) -> None:
    found(database)
    listening(database)
    the_operator_listens(database)
    run(database, failed(database, 1, FAILING))
    mine, _ = outbox(database)
    run(database, OperationalEventSubmitted(mine.id))
    run(database, failed(database, 2, FAILING))
    assert sorted(event.team_id for event in outbox(database)) == [OPERATORS_TEAM, "team_1"]


def test_a_disabling_is_told_also_where_nobody_gets_a_mail(database: AnyDatabase) -> None:
    run(database, CreateTeam(a_team(emails=())))
    run(database, CreateWebhook(a_webhook()))
    listening(database)
    answer = run(database, failed(database, 1, DISABLED, failures=3))
    assert (answer.mails, answer.told) == ((), True)
    [event] = outbox(database)
    assert (event.type, event.facts["consecutiveFailures"]) == (DISABLED, 4)


def test_a_recovery_is_told_once(database: AnyDatabase) -> None:
    run(database, CreateTeam(a_team()))
    run(database, CreateWebhook(replace(a_webhook(), recovering_since=NOW - 60_000)))
    listening(database)
    for work in accept(database, [1, 2]):
        recovery = structs.replace(
            recording(work, 1), recovered_from=NOW - 60_000, news=OperationalType.WEBHOOK_RECOVERED
        )
        run(database, recovery)
    [event] = outbox(database)
    assert event.facts["disabledAt"] == "2027-01-15T07:59:00.000Z"


def test_credits_are_told_with_what_takes_them(database: AnyDatabase) -> None:
    found(database)
    listening(database)
    run(database, GrantCredits("crd_first", "team_1", 6, None, NOW))
    run(database, SaveTeam("team_1", TeamEdit(low_credits=5)))
    works = accept(database, range(3))
    answers = [run(database, structs.replace(recording(work, 1), exhausted_below=2)) for work in works]
    assert [answer.told for answer in answers] == [True, False, True]
    low, exhausted = outbox(database)
    assert (low.type, low.facts) == (OperationalType.CREDITS_LOW, {"balance": 4, "lowCredits": 5})
    assert (exhausted.type, exhausted.facts) == (OperationalType.CREDITS_EXHAUSTED, {"balance": 0})


def test_a_disabled_operational_webhook_asks_for_nothing(database: AnyDatabase) -> None:
    found(database)
    webhook = replace(a_webhook(8, about=About.OPERATIONS), active=False)
    run(database, CreateWebhook(webhook))
    run(database, failed(database, 1, FAILING))
    assert outbox(database) == []
