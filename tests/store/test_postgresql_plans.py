"""What a read or a write touches in PostgreSQL does not grow with its tables, whether they were analysed or not."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, event, text

from daemon.store.commands import CreateTeam, CreateWebhook, Recorded
from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from daemon.store.postgresql.exchange import Exchange, Statement, Values
from daemon.store.postgresql.work import pending_work_of_each
from daemon.store.writes.batch import run_batch
from tests.store.filling import a_team, a_webhook, accepting, recording
from tests.store.test_plans import GROUPING, READS
from tests.support.postgresql import PostgresqlServer

DELIVERIES = 100_000
WEBHOOKS = 200
# Of 8 KiB. An index has four levels at most, and a page of rows may be spread over as many pages.
MOST_BUFFERS = 400
# These look at a page of webhooks, events or teams, or at a month of hours, each by a few steps through an index.
MANY_STEPS = ("webhooks_with_work", "missed_by", "count_pending", "webhook_statistics")
ALL_READS = {name: query for name, (query, _) in READS.items()} | GROUPING
SMALL = {
    "teams",
    "webhooks",
    "fan_outs",
    "mails",
    "api_keys",
    "daemon_state",
    "cancellations",
    "time_blocks",
    "cluster",
}

FILLING = f"""
INSERT INTO teams (id, name, notification_emails, balance, created_at)
SELECT 'team_' || i, 'T', '[]', 0, i FROM generate_series(2, 50) i;
INSERT INTO webhooks (id, team_id, name, url, events, active, consecutive_failures, created_at, updated_at)
SELECT 'wh_' || i, 'team_' || 1 + i % 50, 'w', 'u', '["*"]', true, 0, i, i FROM generate_series(2, {WEBHOOKS}) i;
INSERT INTO events (seq, id, team_id, type, timestamp, body, accepted_at, test)
SELECT i, 'evt_' || i, 'team_' || 1 + i % 50, 'a.b', i, '{{}}', i, false FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO deliveries (seq, id, event_id, event_type, webhook_id, team_id, status, attempts_made, created_at, test,
    completed_at)
SELECT i, 'dlv_' || i || '_wh_1', 'evt_' || i, 'a.b', 'wh_' || 1 + i % {WEBHOOKS}, 'team_' || 1 + i % 50,
    CASE i % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'pending' ELSE 'succeeded' END, 1, i, false,
    CASE i % 20 WHEN 1 THEN NULL ELSE i END
FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO attempts (delivery_seq, number, started_at, duration_ms, outcome, headers, body)
SELECT i, 1, i, 1, 'delivered', '[]', '' FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO credit_entries (id, team_id, amount, balance_after, created_at, delivery_id)
SELECT 'crd_' || i, 'team_' || 1 + i % 50, -2, 0, i, 'dlv_' || i FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO webhook_hours (hour, webhook_id, succeeded, failed)
SELECT h, 'wh_' || w, 1, 1 FROM generate_series(1, 48) h, generate_series(1, {WEBHOOKS}) w;
INSERT INTO webhook_errors (hour, webhook_id, outcome, status, attempts)
SELECT h, 'wh_' || w, 'http_error', 500, 1 FROM generate_series(1, 48) h, generate_series(1, {WEBHOOKS}) w;
INSERT INTO credit_days (team_id, day, consumed)
SELECT 'team_' || i, d, 1 FROM generate_series(1, 50) i, generate_series(1, 400) d;
INSERT INTO idempotency_keys (scope, key, fingerprint, receipts, created_at)
SELECT 's', 'k' || i, '', '[]', i FROM generate_series(1, 20000) i;
INSERT INTO time_blocks (table_name, first_seq, last_seq, earliest, latest)
SELECT t, 1000 * b, 1000 * b + 999, b, b FROM generate_series(0, 99) b, (VALUES ('events'), ('deliveries')) names (t);
"""


# So often that psycopg has prepared each statement, and the server has made the one plan that it keeps.
PREPARED = 12
# Of one row, and of what a statement costs beside its rows.
MOST_BUFFERS_OF_A_ROW = 60
HOT_ROWS = 8


def carry_out_hot_commands(database: PostgresqlDatabase, number: int) -> None:
    """Accept events, read what waits, and record what became of it."""
    numbers = range(10**6 + number * HOT_ROWS, 10**6 + (number + 1) * HOT_ROWS)
    accepted = run_batch(database, [accepting(one, "wh_1") for one in numbers])
    with database.reading.begin() as connection:
        pending_work_of_each(connection, [("wh_1", 12)])
    made = [work for answer in accepted for _, work in answer.work]
    answers = run_batch(database, [recording(work, 1) for work in made])
    assert answers == [Recorded()] * HOT_ROWS


@pytest.fixture(scope="module", params=["never analysed", "analysed"])
def full_database(
    request: pytest.FixtureRequest, postgresql: tuple[PostgresqlServer, str]
) -> Iterator[PostgresqlDatabase]:
    """A database with many rows of all kinds, for all tests of this module: none of them changes it."""
    server, template = postgresql
    with server.database(template) as address:
        database = open_database(address)
        driver: Any = database.writer.connection.driver_connection
        run_batch(database, [CreateTeam(a_team()), CreateWebhook(a_webhook())])
        driver.execute(
            f"SELECT setval('event_order', {2 * DELIVERIES}), setval('delivery_order', {2 * DELIVERIES});"
            " LOAD 'auto_explain'"
        )
        driver.commit()
        for number in range(PREPARED):
            carry_out_hot_commands(database, number)
        driver.execute(FILLING)
        driver.commit()
        if request.param == "analysed":
            with address.connect({}, autocommit=True) as c:
                c.execute("VACUUM ANALYZE")
        yield database
        database.close()


@contextmanager
def plans_of(connection: Connection) -> Iterator[dict[str, dict[str, Any]]]:
    """The plan of each statement of this block, as it is carried out: once more, and undone."""
    plans: dict[str, dict[str, Any]] = {}

    def explain(_c: Connection, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        with cursor.connection.transaction(force_rollback=True):
            [[explained]] = cursor.connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters
            )
        plans[statement] = explained[0]["Plan"]

    event.listen(connection, "before_cursor_execute", explain)
    yield plans
    event.remove(connection, "before_cursor_execute", explain)


@contextmanager
def plans_carried_out(connection: psycopg.Connection[Any]) -> Iterator[list[dict[str, Any]]]:
    """What the server tells of each statement of this connection in this block, as it really carried it out."""
    told: list[dict[str, Any]] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        told.append(json.loads((diagnostic.message_primary or "").partition("plan:")[2]))

    options = {"log_min_duration": 0, "log_analyze": 1, "log_buffers": 1, "log_format": "json", "log_level": "notice"}
    for name, value in options.items():
        connection.execute(f"SET auto_explain.{name} = '{value}'")
    connection.commit()
    connection.add_notice_handler(note)
    yield told
    connection.remove_notice_handler(note)
    connection.execute("SET auto_explain.log_min_duration = -1")
    connection.commit()


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


def scanned(plan: dict[str, Any]) -> set[str]:
    """Return the tables that are read from end to end, but for those that are small."""
    return {node["Relation Name"] for node in nodes_of(plan) if node["Node Type"].endswith("Seq Scan")} - SMALL


@pytest.mark.parametrize(("name", "query"), ALL_READS.items(), ids=ALL_READS)
def test_a_read_touches_few_pages(
    full_database: PostgresqlDatabase, name: str, query: Callable[[Connection], object]
) -> None:
    with full_database.reading.connect() as connection, plans_of(connection) as plans:
        query(connection)
    assert plans
    for statement, plan in plans.items():
        assert scanned(plan) == set(), statement
        if not name.startswith(MANY_STEPS):
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= MOST_BUFFERS, statement


def test_hot_commands_touch_few_pages_by_the_plans_that_were_made_while_the_tables_were_empty(
    full_database: PostgresqlDatabase,
) -> None:
    driver: Any = full_database.writer.connection.driver_connection
    with plans_carried_out(driver) as told:
        carry_out_hot_commands(full_database, PREPARED)
    assert len(told) > 5
    for statement in told:
        plan = statement["Plan"]
        assert scanned(plan) == set(), statement["Query Text"]
        buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        assert buffers <= HOT_ROWS * MOST_BUFFERS_OF_A_ROW, statement["Query Text"]


def test_what_waits_for_many_webhooks_is_read_by_the_plan_that_was_made_while_the_tables_were_empty(
    full_database: PostgresqlDatabase,
) -> None:
    with full_database.reading.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("LOAD 'auto_explain'")
        with plans_carried_out(driver) as told:
            pages = pending_work_of_each(connection, [(f"wh_{number}", 12) for number in range(2, 82, 10)])
            connection.commit()  # the server tells of the last statement when the transaction ends
    assert [len(page) for page in pages] == [12, 0] * 4
    [plan] = [statement["Plan"] for statement in told]
    assert scanned(plan) == set()
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= MOST_BUFFERS


def test_a_batch_of_hot_commands_takes_few_round_trips(
    full_database: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = 0
    statements: list[str] = []

    def note(_c: Connection, _cursor: Any, statement: str, *_: object) -> None:
        statements.append(statement)

    def carry_out(exchange: Exchange, statements: Sequence[tuple[Statement, Values]]) -> list[PGresult]:
        nonlocal trips
        trips += 1
        return carried_out(exchange, statements)

    carried_out = Exchange.carry_out
    monkeypatch.setattr(Exchange, "carry_out", carry_out)
    event.listen(full_database.writer, "before_cursor_execute", note)
    numbers = range(5 * 10**6, 5 * 10**6 + HOT_ROWS)
    accepted = run_batch(full_database, [accepting(number, "wh_1") for number in numbers])
    assert trips == 2
    run_batch(full_database, [recording(work, 1) for answer in accepted for _, work in answer.work])
    assert trips == 2 + 3
    assert statements == []
    event.remove(full_database.writer, "before_cursor_execute", note)


def test_hot_commands_are_planned_once_however_few_rows_come_with_them(full_database: PostgresqlDatabase) -> None:
    """To plan takes longer than to carry out, and few rows look cheaper than the many for which a plan is kept."""
    with full_database.writing.connect() as writer:
        database = replace(full_database, writer=writer)
        carry_out_single_commands(database, range(6 * 10**6, 6 * 10**6 + PREPARED))
        before = plans_made(writer)
        carry_out_single_commands(database, range(7 * 10**6, 7 * 10**6 + 3))
        assert plans_made(writer) == before
        assert len(before) > 8


def carry_out_single_commands(database: PostgresqlDatabase, numbers: Iterable[int]) -> None:
    for number in numbers:
        [accepted] = run_batch(database, [accepting(number, "wh_1")])
        [(_, work)] = accepted.work
        assert run_batch(database, [recording(work, 1)]) == [Recorded()]


def plans_made(connection: Connection) -> dict[str, int]:
    """How many plans the server has made for the values at hand, for each statement that was sent without a cursor."""
    prepared = text("SELECT statement, custom_plans FROM pg_prepared_statements WHERE name LIKE 'exchange%'")
    made = {row.statement: row.custom_plans for row in connection.execute(prepared)}
    connection.commit()
    return made
