"""Statements that go to PostgreSQL together: in their order, one answer for each, and none after an error."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import sqlalchemy
from psycopg.errors import DivisionByZero, UndefinedTable
from psycopg.pq import PipelineStatus, TransactionStatus
from sqlalchemy.exc import DataError

from daemon.store.bulk import AddRows, execute_rows
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.binary import bigint, bigints, text, texts
from daemon.store.postgresql.connections import reading_engine
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.exchange import Exchange, Statement
from daemon.store.postgresql.work import pending_work_of_each
from daemon.store.schema import webhook_hours
from tests.store.filling import accept, count, found, recording, run
from tests.support.postgresql import PostgresqlServer

BEGIN, COMMIT = Statement("BEGIN"), Statement("COMMIT")
DIVIDE = Statement("SELECT 6 / $1::bigint")
ADD = Statement("INSERT INTO daemon_notes SELECT unnest($1::text[])")
NOWHERE = Statement("SELECT 1 FROM nowhere")
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'exchange_%'"


@pytest.fixture
def connection(postgresql_address: Address) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with postgresql_address.connect({}, autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE daemon_notes (note text)")
        yield connection


@pytest.fixture
def exchange(connection: psycopg.Connection[tuple[object, ...]]) -> Exchange:
    return Exchange(connection)


@pytest.fixture
def pooled(postgresql_address: Address) -> Iterator[Exchange]:
    with replace(postgresql_address, is_pooled=True).connect({}, autocommit=True) as connection:
        yield Exchange(connection)


def notes(exchange: Exchange) -> list[object]:
    return [note for (note,) in exchange.connection.execute("SELECT note FROM daemon_notes ORDER BY note")]


def prepared(exchange: Exchange) -> object:
    [number] = exchange.connection.execute(PREPARED).fetchone() or [None]
    return number


def test_each_statement_has_its_own_result_in_their_order(exchange: Exchange) -> None:
    for _ in range(3):
        results = exchange.carry_out([(DIVIDE, (bigint(number),)) for number in (1, 2, 3)])
        assert [exchange.rows_of(result) for result in results] == [[(6,)], [(3,)], [(2,)]]


def test_a_statement_is_prepared_once_in_a_session_and_never_through_a_pooler(
    exchange: Exchange, pooled: Exchange
) -> None:
    for each, expected in ((exchange, 1), (pooled, 0)):
        for _ in range(3):
            results = each.carry_out([(DIVIDE, (bigint(2),))])
            assert [each.rows_of(result) for result in results] == [[(3,)]]
        assert prepared(each) == expected


def test_after_an_error_the_rest_is_left_out_even_the_commit(exchange: Exchange) -> None:
    with pytest.raises(DivisionByZero):
        exchange.carry_out([(BEGIN, ()), (ADD, (texts(["a"]),)), (DIVIDE, (bigint(0),)), (COMMIT, ())])
    exchange.roll_back()
    assert notes(exchange) == []
    exchange.carry_out([(BEGIN, ()), (ADD, (texts(["b", None]),)), (COMMIT, ())])
    assert notes(exchange) == ["b", None]
    assert exchange.connection.pgconn.pipeline_status == PipelineStatus.OFF


def test_what_was_left_out_was_not_prepared_either_and_is_when_it_is_used_again(exchange: Exchange) -> None:
    for _ in range(2):
        with pytest.raises(UndefinedTable, match="nowhere"):
            exchange.carry_out([(NOWHERE, ()), (DIVIDE, (bigint(1),))])
    assert prepared(exchange) == 0
    results = exchange.carry_out([(DIVIDE, (bigint(1),))])
    assert [exchange.rows_of(result) for result in results] == [[(6,)]]


def test_what_is_prepared_outlives_a_rollback(exchange: Exchange) -> None:
    for _ in range(2):
        exchange.carry_out([(BEGIN, ()), (DIVIDE, (bigint(1),))])
        exchange.roll_back()
    assert exchange.is_idle()
    assert prepared(exchange) == 2 + 1  # BEGIN, ROLLBACK and this


def test_more_than_fits_into_all_buffers_goes_both_ways(exchange: Exchange) -> None:
    echo, much = Statement("SELECT $1::text"), "x" * 3_000_000
    results = exchange.carry_out([(echo, (text(much),)) for _ in range(4)])
    assert [exchange.rows_of(result) for result in results] == [[(much,)]] * 4


def test_a_connection_that_is_lost_in_the_middle_is_closed_and_the_servers_last_words_are_told(
    exchange: Exchange,
) -> None:
    end = Statement("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        exchange.carry_out([(DIVIDE, (bigint(1),)), (end, ()), (DIVIDE, (bigint(1),))])
    assert exchange.connection.closed
    with pytest.raises(psycopg.OperationalError):
        exchange.carry_out([(DIVIDE, (bigint(1),))])


def test_a_connection_that_was_lost_before_is_told(exchange: Exchange, postgresql_server: PostgresqlServer) -> None:
    postgresql_server.run(f"SELECT pg_terminate_backend({exchange.connection.info.backend_pid}, 5000)")
    with pytest.raises(psycopg.OperationalError):
        exchange.carry_out([(DIVIDE, (bigint(1),))])
    assert exchange.connection.closed


def test_a_batch_is_tried_again_when_the_server_has_forgotten_what_was_prepared(
    postgresql_database: PostgresqlDatabase,
) -> None:
    found(postgresql_database)
    works = accept(postgresql_database, [1, 2])
    driver: Any = postgresql_database.writer.connection.driver_connection
    driver.execute("DEALLOCATE ALL")
    driver.commit()
    for number, work in enumerate(works):
        run(postgresql_database, recording(work, 1))
        assert len(accept(postgresql_database, [3 + number])) == 1
    assert count(postgresql_database, "deliveries", "status = 'succeeded'") == 2
    assert postgresql_database.doubtful_commits == 0


def test_a_read_of_what_waits_needs_no_transaction(postgresql_database: PostgresqlDatabase) -> None:
    found(postgresql_database)
    accept(postgresql_database, [1, 2])
    with postgresql_database.reading.connect() as connection:
        assert [len(page) for page in pending_work_of_each(connection, [("wh_1", 12), ("wh_2", 1)])] == [2, 0]
        driver: Any = connection.connection.driver_connection
        assert driver.pgconn.transaction_status == TransactionStatus.IDLE


def test_through_a_pooler_it_has_one_since_its_settings_hold_no_longer(postgresql_address: Address) -> None:
    engine = reading_engine(replace(postgresql_address, is_pooled=True))
    with engine.connect() as connection:
        assert pending_work_of_each(connection, [("wh_1", 12)]) == [[]]
        assert connection.in_transaction()
        assert connection.scalar(sqlalchemy.text("SHOW enable_seqscan")) == "off"
    engine.dispose()


def test_a_number_that_no_column_holds_fails_as_the_connections_own_error(
    postgresql_database: PostgresqlDatabase,
) -> None:
    rest = [0] * (len(webhook_hours.c) - 3)
    with pytest.raises(DataError, match="cannot hold"), postgresql_database.transaction() as connection:
        execute_rows(connection, AddRows(webhook_hours), [(2**63, "wh_1", 1, *rest)])
    with postgresql_database.transaction() as connection:
        rows = [(0, "wh_1", 1, *rest), (2**63 - 1, "wh_1", 2**31 - 1, *rest)]
        execute_rows(connection, AddRows(webhook_hours), rows)
    assert count(postgresql_database, "webhook_hours") == 2


def test_values_that_are_no_arrays_are_none_too(exchange: Exchange) -> None:
    results = exchange.carry_out([(Statement("SELECT $1::bigint[], $2::text"), (bigints([None, 1]), None))])
    assert [exchange.rows_of(result) for result in results] == [[([None, 1], None)]]
