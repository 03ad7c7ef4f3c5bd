"""A backlog of any size in a state directory that no daemon uses: made within SQLite, a million in some seconds."""

from pathlib import Path

from daemon.domain.clock import wall_clock_ms
from daemon.maintenance.state_dir import DATABASE
from daemon.store.schema import deliveries, events
from tests.bench.bulk_insert import bulk_connection, next_seq

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
_EVENTS = f"""{_NUMBERS}
    INSERT INTO events (seq, id, team_id, type, timestamp, body, accepted_at, test)
    SELECT :event + i, 'evt_' || (:event + i), :team, 'linkedin.message.sent', :now, CAST('{{"data":{{}}}}' AS BLOB),
        :now + i * :apart_ms, 0 FROM n
"""
_DELIVERIES = f"""{_NUMBERS}
    INSERT INTO deliveries (seq, id, event_id, event_type, webhook_id, team_id, status, attempts_made, created_at, test)
    SELECT :delivery + i, 'dlv_' || (:delivery + i), 'evt_' || (:event + i), 'linkedin.message.sent', :webhook, :team,
        'pending', 0, :now + i * :apart_ms, 0 FROM n
"""


def fill_backlog(
    state_dir: Path, team_id: str, webhook_id: str, count: int, *, since: int | None = None, apart_ms: int = 0
) -> None:
    """Give a webhook so many pending deliveries of as many events, accepted from `since` on (ms; default: now)."""
    with bulk_connection(state_dir / DATABASE, count) as connection:
        values = {
            "count": count,
            "event": next_seq(connection, events),
            "delivery": next_seq(connection, deliveries),
            "team": team_id,
            "webhook": webhook_id,
            "now": wall_clock_ms() if since is None else since,
            "apart_ms": apart_ms,
        }
        connection.execute(_EVENTS, values)
        connection.execute(_DELIVERIES, values)
