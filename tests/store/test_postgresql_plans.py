"""What a read or a write touches in PostgreSQL does not grow with its tables, whether they were analysed or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from tests.store.test_plans import READS
from tests.support.postgresql import PostgresqlServer

DELIVERIES = 100_000
WEBHOOKS = 200
# Of 8 KiB. An index has four levels at most, and a page of rows may be spread over as many pages.
MOST_BUFFERS = 400
# These look at a page of webhooks, events or teams, each by a few steps through an index.
MANY_STEPS = ("webhooks_with_work", "missed_by", "count_pending")
SMALL = {"teams", "webhooks", "fan_outs", "mails", "api_keys", "daemon_state", "cancellations", "time_blocks"}

FILLING = f"""
INSERT INTO teams (id, name, notification_emails, balance, created_at)
SELECT 'team_' || i, 'T', '[]', 0, i FROM generate_series(1, 50) i;
INSERT INTO webhooks (id, team_id, name, url, events, active, consecutive_failures, created_at, updated_at)
SELECT 'wh_' || i, 'team_' || 1 + i % 50, 'w', 'u', '["*"]', true, 0, i, i FROM generate_series(1, {WEBHOOKS}) i;
INSERT INTO events (seq, id, team_id, type, timestamp, body, accepted_at, test)
SELECT i, 'evt_' || i, 'team_' || 1 + i % 50, 'a.b', i, '{{}}', i, false FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO deliveries (seq, id, event_id, event_type, webhook_id, team_id, status, attempts_made, created_at, test)
SELECT i, 'dlv_' || i || '_wh_1', 'evt_' || i, 'a.b', 'wh_' || 1 + i % {WEBHOOKS}, 'team_' || 1 + i % 50,
    CASE i % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'pending' ELSE 'succeeded' END, 1, i, false
FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO attempts (delivery_seq, number, started_at, duration_ms, outcome, headers, body)
SELECT i, 1, i, 1, 'delivered', '[]', '' FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO credit_entries (id, team_id, amount, balance_after, created_at, delivery_id)
SELECT 'crd_' || i, 'team_' || 1 + i % 50, -2, 0, i, 'dlv_' || i FROM generate_series(1, {DELIVERIES}) i;
INSERT INTO webhook_hours (hour, webhook_id, succeeded, failed)
SELECT h, 'wh_' || w, 1, 1 FROM generate_series(1, 48) h, generate_series(1, {WEBHOOKS}) w;
INSERT INTO credit_days (team_id, day, consumed)
SELECT 'team_' || i, d, 1 FROM generate_series(1, 50) i, generate_series(1, 400) d;
INSERT INTO idempotency_keys (scope, key, fingerprint, receipts, created_at)
SELECT 's', 'k' || i, '', '[]', i FROM generate_series(1, 20000) i;
INSERT INTO time_blocks (table_name, first_seq, last_seq, earliest, latest)
SELECT t, 1000 * b, 1000 * b + 999, b, b FROM generate_series(0, 99) b, (VALUES ('events'), ('deliveries')) names (t);
"""


@pytest.fixture(scope="module")
def filled(postgresql: tuple[PostgresqlServer, str]) -> Iterator[str]:
    """The name of a database with many rows of all kinds."""
    server, template = postgresql
    with server.database(template) as address:
        with address.connect({}) as connection:
            connection.execute(FILLING)
            [[name]] = connection.execute("SELECT current_database()").fetchall()
        yield name


@pytest.fixture(scope="module", params=["never analysed", "analysed"])
def full_database(
    request: pytest.FixtureRequest, postgresql: tuple[PostgresqlServer, str], filled: str
) -> Iterator[PostgresqlDatabase]:
    """A copy of it, for all tests of this module: none of them changes it."""
    with postgresql[0].database(filled) as address:
        if request.param == "analysed":
            with address.connect({}, autocommit=True) as c:
                c.execute("VACUUM ANALYZE")
        database = open_database(address)
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


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


def scanned(plan: dict[str, Any]) -> set[str]:
    """Return the tables that are read from end to end, but for those that are small."""
    return {node["Relation Name"] for node in nodes_of(plan) if node["Node Type"].endswith("Seq Scan")} - SMALL


@pytest.mark.parametrize(("name", "query"), [(name, query) for name, (query, _) in READS.items()], ids=READS)
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
