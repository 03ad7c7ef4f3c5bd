"""Reads what a run left in the database: by SQL of its own, so that no fault of the store can hide itself."""

from typing import TypeVar

import psycopg
from psycopg.rows import class_row

from tests.cluster.chaos.evidence import (
    Stored,
    StoredAttempt,
    StoredDelivery,
    StoredEvent,
    StoredLife,
    StoredMail,
    StoredWebhook,
)
from tests.cluster.chaos.rows import ENFORCED, EVERY_RUN, IN_A_CLUSTER
from tests.faults.impossible_rows import AT_REST, EVERYWHERE, ON_POSTGRESQL, find_impossible_rows

T = TypeVar("T")
Connection = psycopg.Connection[tuple[object, ...]]

_EVENTS = """
    SELECT seq, id, team_id AS team, type, (convert_from(body, 'UTF8')::json->'data'->>'n')::bigint AS number
    FROM events ORDER BY seq"""
_DELIVERIES = """
    SELECT d.seq, d.id, d.event_id, w.name AS webhook, d.status, d.attempts_made,
        extract(epoch FROM pg_xact_commit_timestamp(d.xmin))::float AS ended, d.created_at != e.accepted_at AS again
    FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id JOIN events e ON e.id = d.event_id ORDER BY d.seq"""
_ATTEMPTS = """
    SELECT d.id AS delivery_id, a.number, a.status, nullif(convert_from(a.body, 'UTF8'), '')::bigint AS arrival,
        extract(epoch FROM pg_xact_commit_timestamp(a.xmin))::float AS committed_at
    FROM attempts a JOIN deliveries d ON d.seq = a.delivery_seq ORDER BY d.seq, a.number"""
# The last change to the row of a life is its end.
_LIVES = """
    SELECT substr(name, 5)::int AS node, node AS life, extract(epoch FROM started_at)::float AS began_at,
        CASE WHEN ended_at IS NOT NULL THEN extract(epoch FROM pg_xact_commit_timestamp(xmin))::float END AS ended_at
    FROM nodes ORDER BY node"""
_WEBHOOKS = "SELECT name, active, deleted_at IS NOT NULL AS deleted, consecutive_failures FROM webhooks ORDER BY seq"
_MAILS = """
    SELECT id, webhook_name AS webhook,
        ARRAY(SELECT f->>'delivery_id' FROM json_array_elements(failures::json) f) AS failed
    FROM mails ORDER BY seq"""
_HAS_NODES = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'leases'"
_UNFINISHED = """
    SELECT (SELECT count(*) FROM deliveries WHERE status = 'pending') + (SELECT count(*) FROM fan_outs)
        + (SELECT count(*) FROM cancellations) + (SELECT count(*) FROM mails WHERE sent_at IS NULL)"""


def read_stored(connection: Connection, *, enforced: bool) -> Stored:
    """Return what the database holds when nothing is under way any more; `enforced` if no team may owe credits."""
    connection.execute("SET work_mem = '64MB'")
    queries = {**EVERYWHERE, **ON_POSTGRESQL, **AT_REST, **EVERY_RUN}
    queries |= IN_A_CLUSTER if has_nodes(connection) else {}
    queries |= ENFORCED if enforced else {}
    return Stored(
        events=_rows(connection, StoredEvent, _EVENTS),
        deliveries=_rows(connection, StoredDelivery, _DELIVERIES),
        attempts=_rows(connection, StoredAttempt, _ATTEMPTS),
        lives=_rows(connection, StoredLife, _LIVES),
        webhooks=_rows(connection, StoredWebhook, _WEBHOOKS),
        mails=_rows(connection, StoredMail, _MAILS),
        impossible=find_impossible_rows(connection, queries),
    )


def unfinished(connection: Connection) -> int:
    """Return how much is still to be done: deliveries, parts of submissions, cancellations, mails."""
    return _number(connection, _UNFINISHED)


def has_nodes(connection: Connection) -> bool:
    """Whether this database is made for more than one node."""
    return _number(connection, _HAS_NODES) > 0


def _number(connection: Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def _rows(connection: Connection, kind: type[T], query: str) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode()).fetchall()
