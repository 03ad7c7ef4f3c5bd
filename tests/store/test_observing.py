"""What the metrics report of waiting deliveries and mails."""

from dataclasses import dataclass

import pytest
import trio
from msgspec import structs

from daemon.actors.threads import run_inline
from daemon.domain.lifecycle import Verdict
from daemon.domain.model import DeliveryStatus, Event
from daemon.domain.submission import MatchedEvent
from daemon.maintenance.gauges import pending_deliveries, waiting_mails
from daemon.store.commands import AcceptEvents, CreateTeam, CreateWebhook, MailSent
from daemon.store.reads import gauge_reads
from daemon.store.reads.gauge_reads import Waiting
from daemon.store.reads.reader import Reader
from tests.store.filling import NOW, AnyDatabase, a_team, a_webhook, accept, found, recording, run


@dataclass(frozen=True, slots=True)
class Observation:
    deliveries: Waiting
    mails: Waiting


def seen(database: AnyDatabase) -> Observation:
    reader = Reader(database, run_inline)
    return Observation(trio.run(pending_deliveries, reader), trio.run(waiting_mails, reader))


@pytest.fixture(params=["in one step", "in many"], autouse=True)
def _parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in many":
        for name in ("_TEAMS_AT_ONCE", "_DELIVERIES_PER_TEAM", "_DELIVERIES_AT_ONCE", "_MAILS_AT_ONCE"):
            monkeypatch.setattr(gauge_reads, name, 1)


def test_nothing_is_pending_in_a_new_database(database: AnyDatabase) -> None:
    assert seen(database) == Observation(Waiting(0, None), Waiting(0, None))


def test_pending_deliveries_of_all_teams_are_counted_and_the_oldest_is_found(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateTeam(a_team(2)))
    first, *_ = accept(database, range(3))
    event = Event("evt_99", "team_2", "a.b", NOW, b"{}", NOW + 5)
    run(database, AcceptEvents((MatchedEvent(event, (("dlv_99", "wh_99"),)),), None, NOW + 5))
    assert seen(database).deliveries == Waiting(4, NOW)
    for work in (first, *accept(database, [7])):
        run(database, recording(work, 1))
    assert seen(database).deliveries == Waiting(3, NOW)


def test_the_oldest_is_that_of_the_team_that_waits_longest(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateTeam(a_team(2)))
    (work,) = accept(database, [1])
    for number, team in ((2, "team_2"), (3, "team_1")):
        event = Event(f"evt_{number}", team, "a.b", NOW, b"{}", NOW + number)
        run(database, AcceptEvents((MatchedEvent(event, ((f"dlv_{number}", f"wh_{number}"),)),), None, NOW + number))
    run(database, recording(work, 1))
    assert seen(database).deliveries == Waiting(2, NOW + 2)


def test_mails_wait_until_they_are_sent(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateWebhook(a_webhook(2)))
    for number in (1, 2):
        (work,) = accept(database, [number], f"wh_{number}")
        verdict = Verdict(DeliveryStatus.FAILED, None, 4, disable=True)
        command = structs.replace(recording(work, 1, status=500, webhook=number), verdict=verdict, next_attempt_at=None)
        run(database, structs.replace(command, mail_id=f"mail_{number}", now=NOW + number))
    assert seen(database).mails == Waiting(2, NOW + 1)
    run(database, MailSent("mail_1", NOW))
    assert seen(database).mails == Waiting(1, NOW + 2)
