"""What waits in shards, and what has come since (architecture "Nodes")."""

from sqlalchemy import Connection, bindparam, exists, select, text

from daemon.store.bulk import fetch_rows, in_one_row
from daemon.store.nodes import Sweep
from daemon.store.postgresql.schema import shard_of_webhook
from daemon.store.reads.actor_reads import WithWork
from daemon.store.reads.conditions import IS_PENDING
from daemon.store.schema import deliveries, webhooks

# Looked at in one sweep: a few seconds of the busiest cluster.
_MOST_SWEPT = 50_000


def webhooks_with_work_in(connection: Connection, shard: int, behind: str, look_at: int) -> WithWork:
    """Return which of the next `look_at` webhooks of a shard after this one have pending deliveries."""
    found = fetch_rows(connection, _WITH_WORK, {"shard": shard, "behind": behind, "look_at": look_at})
    looked_at = sorted(found)
    with_work = tuple(webhook_id for webhook_id, has_work in looked_at if has_work)
    return WithWork(with_work, looked_at[-1][0] if len(looked_at) == look_at else None)


_WITH_WORK = in_one_row(
    select(webhooks.c.id, exists().where(deliveries.c.webhook_id == webhooks.c.id, IS_PENDING).label("has_work"))
    .where(shard_of_webhook() == bindparam("shard"), webhooks.c.id > bindparam("behind"))
    .order_by(webhooks.c.id)
    .limit(bindparam("look_at"))
)


def sweep(connection: Connection, behind_seq: int) -> Sweep:
    """Look for webhooks with pending deliveries behind this number, at a bounded number of deliveries."""
    found = connection.execute(_NEW_WORK, {"behind": behind_seq, "limit": _MOST_SWEPT}).one()
    reach = connection.execute(_REACH).one()
    last_seq = found.last_seq if found.looked_at == _MOST_SWEPT else reach.last_seq
    return Sweep(frozenset(found.webhook_ids or ()), last_seq, reach.oldest, reach.next)


# Along the primary key: no condition on the status may lead the planner to an index of all that is pending.
_NEW_WORK = text(
    "SELECT count(*) AS looked_at, max(seq) AS last_seq,"
    " array_agg(DISTINCT webhook_id) FILTER (WHERE status = 'pending') AS webhook_ids"
    " FROM (SELECT seq, webhook_id, status FROM deliveries WHERE seq > :behind ORDER BY seq LIMIT :limit) AS new"
)
_REACH = text(
    "SELECT coalesce((SELECT max(seq) FROM deliveries), 0) AS last_seq,"
    " CAST(CAST(pg_snapshot_xmin(now) AS text) AS bigint) AS oldest,"
    " CAST(CAST(pg_snapshot_xmax(now) AS text) AS bigint) AS next"
    " FROM pg_current_snapshot() AS now"
)
