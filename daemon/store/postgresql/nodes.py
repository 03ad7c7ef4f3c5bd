"""The nodes of a cluster as people are shown them, and having one give its work to the others."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from daemon.store.node_lives import Drained, NodeLife, compared
from daemon.store.nodes import Terms

# A node that is started again and again begins a life each time: those that live come first.
_MOST_SHOWN = 200
_LIVES = text(
    "SELECT node, name, host, version, draining, why, CAST(report AS text) AS report,"
    " CAST(extract(epoch FROM started_at) * 1000 AS bigint) AS since,"
    " CAST(extract(epoch FROM ended_at) * 1000 AS bigint) AS ended_at,"
    " CAST(extract(epoch FROM clock_timestamp() - until + :lease_s * interval '1 second') * 1000 AS bigint) AS age_ms,"
    " (SELECT count(*) FROM shards WHERE shards.node = nodes.node) AS shards"
    " FROM nodes LEFT JOIN leases USING (node)"
    " WHERE ended_at IS NULL OR ended_at > clock_timestamp() - interval '1 hour'"
    " ORDER BY ended_at IS NOT NULL, node DESC LIMIT :most"
)
# Locked, so that no two are asked at once to take over from each other.
_LIVING = text(
    "SELECT name, draining FROM nodes JOIN leases USING (node)"
    " WHERE ended_at IS NULL AND until > clock_timestamp() ORDER BY node FOR UPDATE OF nodes"
)
_DRAIN = text("UPDATE nodes SET draining = true WHERE ended_at IS NULL AND name = :name AND NOT draining")


class _Report(msgspec.Struct, frozen=True):
    """What a node says of itself; one of another version may say less, or more."""

    pace: float | None = None
    parked: tuple[str, ...] | None = None
    terms: Terms | None = None


def lives(connection: Connection, lease_s: float) -> list[NodeLife]:
    """Return the lives that have not ended, and those that ended within the last hour, the newest first."""
    found = connection.execute(_LIVES, {"lease_s": lease_s, "most": _MOST_SHOWN}).all()
    return compared(sorted(map(_life, found), key=lambda life: life.number, reverse=True))


def drain(connection: Connection, name: str) -> Drained:
    """Have the living nodes of this name give their shards to the others, unless there are no others.

    One that gives them back already, or has, stays as it is.
    """
    living = connection.execute(_LIVING).all()
    if all(row.draining for row in living if row.name == name):
        return Drained.BEGUN if any(row.name == name for row in living) else Drained.UNKNOWN
    if all(row.draining for row in living if row.name != name):
        return Drained.NOBODY_TAKES_OVER
    connection.execute(_DRAIN, {"name": name})
    return Drained.BEGUN


def _life(row: Row[Any]) -> NodeLife:
    has_ended, report = row.ended_at is not None, _read(row.report)
    return NodeLife(
        number=row.node,
        name=row.name,
        host=row.host,
        version=row.version,
        since=row.since,
        shards=0 if has_ended else row.shards,
        lease_age_ms=None if has_ended or row.age_ms is None else max(0, row.age_ms),
        draining=row.draining,
        pace=None if has_ended else report.pace,
        parked=None if has_ended else report.parked,
        settings={} if has_ended or report.terms is None else report.terms.settings,
        ended_at=row.ended_at,
        why=row.why,
    )


def _read(report: str) -> _Report:
    try:
        return msgspec.json.decode(report, type=_Report)
    except msgspec.MsgspecError:
        return _Report()
