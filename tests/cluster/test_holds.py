"""What nodes hold of a team's credits is never more than it has (contract "Credits", `credits.enforce`)."""

import threading
from collections.abc import Iterator

import pytest

from daemon.store.hold_commands import ChangeHolds, HoldWish, PruneHolds
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.holds import spend, with_credit
from daemon.store.writes.batch import run_batch
from tests.cluster.bank import PRICE, balance_of, charge, end, grant, holds_of, new_node, new_team
from tests.store.filling import run
from tests.support.reused_databases import Lent


@pytest.fixture
def other(lent: Lent, database: PostgresqlDatabase) -> Iterator[PostgresqlDatabase]:
    """Another node's connections."""
    opened = lent.open()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def nodes(database: PostgresqlDatabase) -> None:
    """Four nodes, with the numbers from 1."""
    assert [new_node(database) for _ in range(4)] == [1, 2, 3, 4]


def wish(node: int, team_id: str, *, most: int = 0, needed: int = 0, wanted: int = 0) -> ChangeHolds:
    return ChangeHolds(node, PRICE, (HoldWish(team_id, most, needed=needed, wanted=wanted or needed),))


def test_a_node_gets_what_it_needs_as_long_as_it_is_there_in_whole_deliveries(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 9)
    added = [run(database, wish(node, team_id, needed=6))[team_id] for node in (1, 2, 3)]
    assert added == [6, 2, 0]
    assert holds_of(database, team_id) == {1: 6, 2: 2}


def test_what_is_wanted_in_advance_leaves_most_to_others(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 100)
    added = [run(database, wish(node, team_id, needed=2, wanted=80))[team_id] for node in (1, 2, 3, 4)]
    assert added == [24, 18, 14, 10]


def test_a_hold_is_lowered_to_what_is_used_and_a_repetition_adds_nothing_twice(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 10)
    for _ in range(3):  # its answer was lost twice
        assert run(database, wish(1, team_id, most=0, needed=4)) == {team_id: 4}
    assert holds_of(database, team_id) == {1: 4}
    assert run(database, wish(1, team_id, most=2)) == {team_id: 0}
    assert run(database, wish(1, team_id, most=8)) == {team_id: 0}
    assert holds_of(database, team_id) == {1: 2}
    run(database, wish(1, team_id))
    assert holds_of(database, team_id) == {}


def test_two_nodes_that_want_the_same_credits_at_once_share_them(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    team_id, answers = new_team(database, 10), list[object]()
    thread = threading.Thread(target=lambda: answers.extend(run_batch(other, [wish(2, team_id, needed=8)])))
    with database.transaction() as connection:
        apply = database.own_commands[ChangeHolds]
        assert apply(connection, [wish(1, team_id, needed=8)], database.sequences) == [{team_id: 8}]
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()  # waits for the team's row
    thread.join(10)
    assert answers == [{team_id: 2}]


def test_what_is_charged_is_taken_from_the_balance_and_from_the_nodes_hold(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 10)
    for node in (1, 2):
        run(database, wish(node, team_id, needed=4))
    charge(database, 1, team_id)
    assert (balance_of(database, team_id), holds_of(database, team_id)) == (8, {1: 2, 2: 4})


def test_a_charge_that_is_undone_leaves_the_hold_as_it_was(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 10)
    run(database, wish(1, team_id, needed=4))

    def die() -> None:
        with database.transaction() as connection:
            spend(1, connection, [(None, team_id, -PRICE, None, None, 0)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert holds_of(database, team_id) == {1: 4}


def test_what_an_ended_node_held_is_free_again(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 10)
    for node in (1, 2):
        run(database, wish(node, team_id, needed=4))
    end(database, 1)
    assert run(database, wish(3, team_id, needed=8)) == {team_id: 6}
    assert [run(database, PruneHolds(1)) for _ in range(2)] == [1, 0]
    assert holds_of(database, team_id) == {2: 4, 3: 6}


def test_after_a_correction_nothing_is_given_out_that_is_not_there(database: PostgresqlDatabase) -> None:
    team_id = new_team(database, 10)
    run(database, wish(1, team_id, needed=8))
    grant(database, team_id, -10)
    assert run(database, wish(2, team_id, needed=2)) == {team_id: 0}
    assert run(database, wish(1, team_id, most=8, needed=2)) == {team_id: 0}


def test_a_team_that_is_unknown_has_no_credits(database: PostgresqlDatabase) -> None:
    assert run(database, wish(1, "team_unknown", needed=2)) == {"team_unknown": 0}


def test_which_teams_have_credits_that_nobody_holds(database: PostgresqlDatabase) -> None:
    poor, rich, held = new_team(database, 1), new_team(database, 2), new_team(database, 9)
    run(database, wish(1, held, needed=8))
    with database.reading.connect() as connection:
        assert with_credit(connection, [poor, rich, held, "team_unknown"], PRICE) == {rich}
