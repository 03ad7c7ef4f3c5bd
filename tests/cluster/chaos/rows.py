"""Impossible states of a database on PostgreSQL, besides those of any database (`tests.faults.impossible_rows`)."""

from collections.abc import Mapping

EVERY_RUN: Mapping[str, str] = {
    "a webhook's hours do not add up to what ended": """
        SELECT coalesce(d.webhook_id, h.webhook_id) FROM
            (SELECT webhook_id, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
                count(*) FILTER (WHERE status = 'failed') AS failed,
                count(*) FILTER (WHERE status = 'cancelled') AS cancelled
                FROM deliveries WHERE status != 'pending' GROUP BY webhook_id) d
            FULL JOIN (SELECT webhook_id, sum(succeeded) AS succeeded, sum(failed) AS failed,
                sum(cancelled) AS cancelled FROM webhook_hours GROUP BY webhook_id) h ON h.webhook_id = d.webhook_id
        WHERE coalesce(d.succeeded, 0) != coalesce(h.succeeded, 0) OR coalesce(d.failed, 0) != coalesce(h.failed, 0)
            OR coalesce(d.cancelled, 0) != coalesce(h.cancelled, 0)""",
    "a team's days do not add up to its debits": """
        SELECT coalesce(c.team_id, s.team_id) FROM
            (SELECT team_id, -sum(amount) AS consumed FROM credit_entries WHERE delivery_id IS NOT NULL
                GROUP BY team_id) c
            FULL JOIN (SELECT team_id, sum(consumed) AS consumed FROM credit_days GROUP BY team_id) s
                ON s.team_id = c.team_id
        WHERE coalesce(c.consumed, 0) != coalesce(s.consumed, 0)""",
    "a grant made twice": """
        SELECT note FROM credit_entries WHERE note IS NOT NULL GROUP BY note HAVING count(*) > 1""",
}

ENFORCED: Mapping[str, str] = {
    "a delivery that its team could not pay for": "SELECT delivery_id FROM credit_entries WHERE balance_after < 0",
}

IN_A_CLUSTER: Mapping[str, str] = {
    "a shard that no living node owns": """
        SELECT s.shard FROM shards s LEFT JOIN nodes n ON n.node = s.node
        WHERE n.node IS NULL OR n.ended_at IS NOT NULL""",
    "a shard that is missing": "SELECT g FROM generate_series(0, 255) g WHERE g NOT IN (SELECT shard FROM shards)",
    "a living node without its fair share of the shards": """
        SELECT n.node FROM nodes n LEFT JOIN shards s ON s.node = n.node WHERE n.ended_at IS NULL AND NOT n.draining
        GROUP BY n.node HAVING count(s.shard) > ceil(256.0 /
            (SELECT count(*) FROM nodes WHERE ended_at IS NULL AND NOT draining)) OR count(s.shard) = 0""",
    "a living node whose lease is over": """
        SELECT n.node FROM nodes n LEFT JOIN leases l ON l.node = n.node
        WHERE n.ended_at IS NULL AND (l.until IS NULL OR l.until < clock_timestamp())""",
    "two living nodes of one installation": """
        SELECT max(node) FROM nodes WHERE ended_at IS NULL GROUP BY installation HAVING count(*) > 1""",
    "an ended life without a reason": "SELECT node FROM nodes WHERE (ended_at IS NULL) != (why IS NULL)",
    "a request that nobody answered": """
        SELECT id FROM requests WHERE answered_at IS NULL AND deadline_at > clock_timestamp()""",
    "a change that nobody was told of": """
        SELECT c.version FROM cluster c WHERE c.version != coalesce((SELECT max(f.version) FROM feed f), c.version)""",
}
