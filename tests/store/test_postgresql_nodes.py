"""The nodes of a cluster, as people are shown them, and draining one."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from daemon.store.node_lives import Drained
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.nodes import drain, lives

LEASE_S = 3.0


@pytest.fixture
def connection(postgresql_database: PostgresqlDatabase) -> Iterator[Connection]:
    """A transaction in a database with our tables, and no node."""
    with postgresql_database.writing.begin() as connection:
        yield connection


def join(connection: Connection, name: str, *, report: str = "{}", lease: str = "3 s", shards: int = 0) -> int:
    """Begin a life whose lease lasts so long, with so many of the shards that nobody has; return its number."""
    node: int = connection.execute(
        text(
            "INSERT INTO nodes (installation, name, host, version, report)"
            " VALUES (:name, :name, 'machine', '1.2.3', CAST(:report AS json)) RETURNING node"
        ),
        {"name": name, "report": report},
    ).scalar_one()
    connection.execute(
        text("INSERT INTO leases VALUES (:node, clock_timestamp() + CAST(:lease AS interval), clock_timestamp())"),
        {"node": node, "lease": lease},
    )
    connection.execute(
        text(
            "UPDATE shards SET node = :node WHERE shard IN (SELECT shard FROM shards WHERE node IS NULL LIMIT :count)"
        ),
        {"node": node, "count": shards},
    )
    return node


def end(connection: Connection, node: int, ago: str = "1 s") -> None:
    statement = (
        "UPDATE nodes SET ended_at = clock_timestamp() - CAST(:ago AS interval), why = 'stopped' WHERE node = :node"
    )
    connection.execute(text(statement), {"node": node, "ago": ago})


def test_living_nodes_are_shown_with_what_they_said_of_themselves(connection: Connection) -> None:
    first = join(connection, "a", report='{"pace": 41.5, "parked": ["wh_1"]}', shards=200)
    second = join(connection, "b", lease="1 s", shards=56)
    b, a = lives(connection, LEASE_S)
    assert (a.number, a.name, a.host, a.version, a.shards) == (first, "a", "machine", "1.2.3", 200)
    assert (a.pace, a.parked, a.draining, a.ended_at, a.why) == (41.5, ("wh_1",), False, None, None)
    assert a.lease_age_ms is not None
    assert a.lease_age_ms < 500
    assert (b.number, b.shards, b.pace, b.parked) == (second, 56, None, None)
    assert b.lease_age_ms is not None
    assert 2_000 <= b.lease_age_ms < 2_500


def test_who_ended_within_the_last_hour_is_shown_too_and_holds_nothing(connection: Connection) -> None:
    old, recent = join(connection, "a"), join(connection, "b", report='{"pace": 3}', shards=9)
    end(connection, old, "61 minutes")
    end(connection, recent, "59 minutes")
    [life] = lives(connection, LEASE_S)
    assert (life.name, life.shards, life.why, life.pace, life.lease_age_ms) == ("b", 0, "stopped", None, None)
    assert life.ended_at is not None


@pytest.mark.parametrize("report", ['"text"', "[]", '{"pace": "fast"}', '{"parked": {}}', "null", "7"])
def test_a_report_that_says_something_else_says_nothing(connection: Connection, report: str) -> None:
    join(connection, "a", report=report)
    [life] = lives(connection, LEASE_S)
    assert (life.pace, life.parked) == (None, None)


@pytest.mark.fault(
    "A node is started again and again, 1,000 times in an hour", "Its last lives are listed, and all that live"
)
def test_of_very_many_lives_those_that_live_are_never_left_out(connection: Connection) -> None:
    living = join(connection, "steady")
    for _ in range(1_000):
        end(connection, join(connection, "mad"))
    found = lives(connection, LEASE_S)
    assert len(found) == 200
    assert found[-1].number == living
    assert [life.number for life in found] == sorted((life.number for life in found), reverse=True)


def test_a_node_is_drained_by_its_name_as_often_as_one_likes(connection: Connection) -> None:
    join(connection, "a")
    join(connection, "b")
    for _ in range(2):
        assert drain(connection, "a") is Drained.BEGUN
        assert {life.name: life.draining for life in lives(connection, LEASE_S)} == {"a": True, "b": False}
    assert drain(connection, "c") is Drained.UNKNOWN


def test_a_life_that_has_ended_is_not_drained(connection: Connection) -> None:
    end(connection, join(connection, "a"))
    join(connection, "b")
    assert drain(connection, "a") is Drained.UNKNOWN


def test_the_last_node_that_takes_work_is_not_drained(connection: Connection) -> None:
    join(connection, "a")
    assert drain(connection, "a") is Drained.NOBODY_TAKES_OVER
    join(connection, "dead", lease="-1 s")
    assert drain(connection, "a") is Drained.NOBODY_TAKES_OVER
    join(connection, "b")
    assert drain(connection, "b") is Drained.BEGUN
    assert drain(connection, "a") is Drained.NOBODY_TAKES_OVER
    assert [life.name for life in lives(connection, LEASE_S) if life.draining] == ["b"]
