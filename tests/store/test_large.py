"""The cost of each command and query is bounded: it does not grow with the database."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from daemon.store.sqlite.database import Database
from tests.store.large import COMMANDS, QUERIES, build, cost_of_command, cost_of_query, every_command, every_query

SMALL, LARGE = 2_000, 200_000
# In hundreds of steps of SQLite's virtual machine: a few milliseconds.
_BOUNDED = 3_000


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Database]]:
    small, large = tmp_path_factory.mktemp("small"), tmp_path_factory.mktemp("large")
    with closing(build(small, SMALL)) as one, closing(build(large, LARGE)) as other:
        yield one, other


def test_every_command_and_query_is_measured() -> None:
    assert set(COMMANDS) == every_command()
    assert set(QUERIES) == every_query()


@pytest.mark.fault(
    "200,000 pending deliveries, old events, keys, mails and hours (5,000,000 in `make soak`)",
    "No command and no query does more than three times the work that it does with 2,000, or than a few ms' work",
    cases=len(COMMANDS),
)
def test_the_cost_of_a_command_does_not_grow_with_the_database(databases: tuple[Database, Database]) -> None:
    for kind, command in COMMANDS.items():
        small, large = (cost_of_command(database, command) for database in databases)
        assert large.steps <= max(3 * small.steps, _BOUNDED), kind.__name__


def test_the_cost_of_a_query_does_not_grow_with_the_database(databases: tuple[Database, Database]) -> None:
    for name, queries in QUERIES.items():
        for query in queries:
            small, large = (cost_of_query(database, query) for database in databases)
            assert large.steps <= max(3 * small.steps, _BOUNDED), name
