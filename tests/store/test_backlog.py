"""The backlog of one team or of all is counted in parts, and never beyond the limit asked for."""

from collections.abc import Callable

import pytest
import trio

from daemon.actors.threads import run_inline
from daemon.domain.model import CancelReason, Event
from daemon.domain.submission import MatchedEvent
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import AcceptEvents, CreateTeam
from daemon.store.reads import gauge_reads
from daemon.store.reads.backlog import Backlog, count_backlog
from daemon.store.reads.reader import Reader
from daemon.store.stored_status import PENDING
from tests.store.filling import NOW, AnyDatabase, a_team, accept, found, recording, run
from tests.store.test_outcomes import final_failure

Count = Callable[..., Backlog]


@pytest.fixture(params=["in one step", "in many"], autouse=True)
def _parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in many":
        for name in ("_TEAMS_AT_ONCE", "_DELIVERIES_PER_TEAM", "_DELIVERIES_AT_ONCE"):
            monkeypatch.setattr(gauge_reads, name, 1)


@pytest.fixture
def count(database: AnyDatabase) -> Count:
    """Counts in a database where team 1 has 3 pending deliveries, and team 2 one."""
    found(database)
    run(database, CreateTeam(a_team(2)))
    first, second, *_ = accept(database, range(5))
    run(database, recording(first, 1))
    run(database, final_failure(recording(second, 1, status=500), 0))
    event = Event("evt_99", "team_2", "a.b", NOW, b"{}", NOW)
    run(database, AcceptEvents((MatchedEvent(event, (("dlv_99", "wh_99"),)),), None, NOW))
    reader = Reader(database, run_inline)
    return lambda *arguments: trio.run(count_backlog, reader, *arguments)


def told(backlog: Backlog) -> tuple[int, bool, str | None, int | None]:
    return backlog.count, backlog.more, None if backlog.oldest is None else backlog.oldest.id, backlog.since


def test_the_backlog_is_that_of_one_team_or_of_all(count: Count, database: AnyDatabase) -> None:
    assert told(count()) == (4, False, "dlv_2_wh_1", NOW)
    assert told(count("team_1")) == (3, False, "dlv_2_wh_1", NOW)
    assert told(count("team_2")) == (1, False, "dlv_99", NOW)
    assert count("team_9") == Backlog()
    run(database, CancelPending("wh_1", CancelReason.WEBHOOK_DELETED, NOW))
    assert told(count()) == (1, False, "dlv_99", NOW)


@pytest.mark.parametrize(("limit", "counted"), [(1, (1, True)), (3, (3, True)), (4, (4, False)), (5, (4, False))])
def test_the_backlog_is_counted_up_to_a_limit_and_its_oldest_found_all_the_same(
    count: Count, limit: int, counted: tuple[int, bool]
) -> None:
    assert told(count(None, limit)) == (*counted, "dlv_2_wh_1", NOW)
    if limit < 3:
        assert told(count("team_1", limit)) == (*counted, "dlv_2_wh_1", NOW)


def test_a_team_of_which_enough_is_counted_is_skipped_from_there_on(
    count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = []

    def noting(connection: object, place: gauge_reads.Place, word: str) -> gauge_reads.Part:
        places.extend([place] if word == PENDING else [])
        return real(connection, place, word)  # type: ignore[arg-type]  # whatever the reader gives

    real = gauge_reads.count_pending
    monkeypatch.setattr("daemon.store.reads.backlog.count_pending", noting)
    monkeypatch.setattr(gauge_reads, "_DELIVERIES_AT_ONCE", 1)
    count("team_1", 0)
    assert places == [gauge_reads.Place("team_1", 0)]
    count("team_1")
    assert len(places) > 2
