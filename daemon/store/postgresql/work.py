"""What waits in shards, and what has come since (architecture "Nodes")."""

from collections.abc import Sequence

import orjson
from sqlalchemy import Connection, bindparam, exists, select, text

from daemon.domain.model import MAX_INLINE_BODY_BYTES, Webhook, Work
from daemon.store import rows
from daemon.store.bulk import fetch_rows, in_one_row
from daemon.store.nodes import Sweep
from daemon.store.postgresql import pipeline
from daemon.store.postgresql.exchange import Statement
from daemon.store.postgresql.schema import shard_of_webhook
from daemon.store.reads.actor_reads import WORK, WithWork, in_their_order, webhook_and_work
from daemon.store.reads.conditions import IS_BEING_CANCELLED, IS_IN_ORDER, IS_QUEUED
from daemon.store.schema import deliveries, webhooks

# Looked at in one sweep: a few seconds of the busiest cluster.
_MOST_SWEPT = 50_000


def webhook_and_begun_work(
    connection: Connection, webhook_id: str, limit: int
) -> tuple[Webhook | None, Sequence[Work]]:
    """Like `webhook_and_work`, but a delivery that was begun comes first.

    Nodes take numbers side by side: one that is lower may become visible only after a delivery was begun.
    """
    webhook, page = webhook_and_work(connection, webhook_id, limit)
    found = fetch_rows(connection, _BEGUN_WORK, {"webhook_id": webhook_id})
    begun = [rows.work(row) for row in found]
    seqs = {work.seq for work in begun}
    return webhook, [*begun, *(work for work in page if work.seq not in seqs)][:limit]


_BEGUN_WORK = in_one_row(WORK.where(IS_IN_ORDER, deliveries.c.attempts_made > 0, ~IS_BEING_CANCELLED).limit(1))


def pending_work_of_each(connection: Connection, asked: Sequence[tuple[str, int]]) -> Sequence[Sequence[Work]]:
    """Return for each of these webhooks its first pending deliveries, in order, at most so many: by one statement."""
    wanted = [{"place": place, "webhook_id": one, "most": most} for place, (one, most) in enumerate(asked)]
    [(found,)] = pipeline.fetch_alone(connection, _PENDING_WORK, (orjson.dumps(wanted),))
    pages: list[list[Work]] = [[] for _ in asked]
    for place, *row in orjson.loads(found):
        pages[place].append(rows.work(row))
    return [in_their_order(page)[:most] for page, (_, most) in zip(pages, asked, strict=True)]


# As in `daemon.store.reads.actor_reads`, which has the reasons. One parameter, and a LIMIT in each part: so one plan is
# good for all, which looks up what is asked for, however few rows there were when it was made.
_PENDING_WORK = Statement(
    f"""
    SELECT CAST(coalesce(json_agg(json_build_array(place, seq, id, event_id, event_type, body,
        CASE WHEN deliver_at > created_at THEN deliver_at ELSE created_at END, attempts_made, next_attempt_at, test,
        traceparent, CASE WHEN origin = 'resend' THEN NULL ELSE expires_at END, status)), '[]') AS text)
    FROM json_to_recordset($1::json) AS asked(place int, webhook_id text, most int)
    LEFT JOIN LATERAL (
        SELECT through_seq, except_seq FROM cancellations
        WHERE webhook_id = asked.webhook_id ORDER BY seq DESC LIMIT 1
    ) AS cancelled ON true
    CROSS JOIN LATERAL (
        (SELECT * FROM deliveries
        WHERE webhook_id = asked.webhook_id AND status = 'pending' AND seq > coalesce(through_seq, 0)
        ORDER BY seq LIMIT most)
        UNION ALL
        (SELECT * FROM deliveries
        WHERE webhook_id = asked.webhook_id AND status = 'pending_low' AND seq > coalesce(through_seq, 0)
        ORDER BY seq LIMIT most)
        UNION ALL
        (SELECT * FROM deliveries
        WHERE webhook_id = asked.webhook_id AND status IN ('pending', 'pending_low') AND seq = except_seq LIMIT 1)
    ) AS delivery
    CROSS JOIN LATERAL (
        SELECT CASE WHEN length(body) <= {MAX_INLINE_BODY_BYTES} THEN convert_from(body, 'UTF8') END AS body,
            traceparent, deliver_at, expires_at
        FROM events WHERE id = delivery.event_id LIMIT 1
    ) AS event
    """
)


def webhooks_with_work_in(connection: Connection, shard: int, behind: str, look_at: int) -> WithWork:
    """Return which of the next `look_at` webhooks of a shard after this one, paused ones aside, have work."""
    found = fetch_rows(connection, _WITH_WORK, {"shard": shard, "behind": behind, "look_at": look_at})
    looked_at = sorted(found)
    with_work = tuple(webhook_id for webhook_id, has_work in looked_at if has_work)
    return WithWork(with_work, looked_at[-1][0] if len(looked_at) == look_at else None)


_WITH_WORK = in_one_row(
    select(webhooks.c.id, exists().where(deliveries.c.webhook_id == webhooks.c.id, IS_QUEUED).label("has_work"))
    .where(shard_of_webhook() == bindparam("shard"), webhooks.c.id > bindparam("behind"))
    .where(webhooks.c.paused_at.is_(None))
    .order_by(webhooks.c.id)
    .limit(bindparam("look_at"))
)


def sweep(connection: Connection, behind_seq: int) -> Sweep:
    """Look for webhooks with pending deliveries behind this number, at a bounded number of deliveries."""
    found = connection.execute(_NEW_WORK, {"behind": behind_seq, "limit": _MOST_SWEPT}).one()
    reach = connection.execute(_REACH).one()
    last_seq = found.last_seq if found.looked_at == _MOST_SWEPT else reach.last_seq
    return Sweep(frozenset(found.webhook_ids or ()), last_seq, oldest=reach.oldest, next=reach.next)


# Along the primary key: no condition on the status may lead the planner to an index of all that is pending.
_NEW_WORK = text(
    "SELECT count(*) AS looked_at, max(seq) AS last_seq,"
    " array_agg(DISTINCT webhook_id) FILTER (WHERE status IN ('pending', 'pending_low')) AS webhook_ids"
    " FROM (SELECT seq, webhook_id, status FROM deliveries WHERE seq > :behind ORDER BY seq LIMIT :limit) AS new"
)
_REACH = text(
    "SELECT coalesce((SELECT max(seq) FROM deliveries), 0) AS last_seq,"
    " CAST(CAST(pg_snapshot_xmin(now) AS text) AS bigint) AS oldest,"
    " CAST(CAST(pg_snapshot_xmax(now) AS text) AS bigint) AS next"
    " FROM pg_current_snapshot() AS now"
)
