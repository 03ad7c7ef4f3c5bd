"""Who is a node, and which shards each owns (architecture "Nodes"). All times are the server's.

A row of `nodes` is one life of a node. While it has not ended, its writer's transactions pass the fence; ending it
waits for those that have passed it and are not committed yet (`FOR SHARE` against the update), so that whoever takes
over reads all that the dead one wrote.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from daemon.store.nodes import CopiedInstallation, Identity, Survey
from daemon.store.postgresql.admission import admit
from daemon.store.postgresql.coordination import Coordination
from daemon.store.postgresql.lives import END_OPEN

LEASE_S = 3.0


class NodeRegistry:
    """A `daemon.store.nodes.Registry`: each method is the function of its name below, in a transaction of its own."""

    def __init__(self, coordination: Coordination) -> None:
        self._run = coordination.run

    async def join(self, me: Identity) -> int:
        """Begin a life."""
        return await self._run(join, me)

    async def renew(self, node: int, report: str) -> bool:
        """Renew the lease."""
        return await self._run(renew, node, report)

    async def reap(self, node: int) -> Sequence[int]:
        """End the lives whose lease is over."""
        return await self._run(reap, node)

    async def survey(self, node: int) -> Survey:
        """Look at how the work is shared."""
        return await self._run(survey, node)

    async def claim(self, node: int, at_most: int) -> Sequence[int]:
        """Take shards."""
        return await self._run(claim, node, at_most)

    async def release(self, node: int, shards: Sequence[int]) -> None:
        """Give shards back."""
        await self._run(release, node, shards)

    async def drain(self, node: int) -> None:
        """Have the others take its share."""
        await self._run(drain, node)

    async def leave(self, node: int, why: str) -> None:
        """End this node's life."""
        await self._run(leave, node, why)


def join(connection: Connection, me: Identity) -> int:
    """Begin a life; return its number. An open one of the same installation on this host is over: its lock was free.

    Raises CopiedInstallation if one on another host holds its lease, NotAdmitted if it may not work with the others.
    """
    _durably(connection)
    admit(connection, me)
    row = connection.execute(_RUNNING_ELSEWHERE, {"installation": me.installation, "host": me.host}).first()
    if row is not None:
        raise CopiedInstallation(row.name, row.host)
    connection.execute(_END_FORMER, {"installation": me.installation})
    values = {
        "installation": me.installation,
        "name": me.name,
        "host": me.host,
        "version": me.version,
        "report": msgspec.json.encode({"terms": me.terms}).decode(),
    }
    node = int(connection.execute(_BEGIN_LIFE, values).scalar_one())
    connection.execute(_BEGIN_LEASE, {"node": node, "lease_s": LEASE_S})
    return node


def renew(connection: Connection, node: int, report: str) -> bool:
    """Renew the lease and keep the node's report (JSON); return False if its life has ended."""
    renewed = connection.execute(_RENEW, {"node": node, "lease_s": LEASE_S}).rowcount == 1
    if renewed:
        connection.execute(_REPORT, {"node": node, "report": report})
    return renewed


def reap(connection: Connection, node: int) -> list[int]:
    """End the lives whose lease is over; return them.

    Only a node whose own lease was renewed in time for a whole lease may judge: after an outage of the server all come
    back before anyone is judged.
    """
    _durably(connection)
    return list(connection.execute(_REAP, {"node": node, "lease_s": LEASE_S}).scalars())


def survey(connection: Connection, node: int) -> Survey:
    """Return how the work is shared now."""
    row = connection.execute(_SURVEY, {"node": node}).one()
    return Survey(row.sharers, frozenset(row.mine), free=row.free, draining=bool(row.draining))


def claim(connection: Connection, node: int, at_most: int) -> list[int]:
    """Take shards that no living node owns; return them. What their former owner wrote is committed, or never will."""
    _durably(connection)
    return list(connection.execute(_CLAIM, {"node": node, "at_most": at_most}).scalars())


def release(connection: Connection, node: int, shards: Sequence[int]) -> None:
    """Give shards back: nothing of them is under way here any more."""
    _durably(connection)
    connection.execute(_RELEASE, {"node": node, "shards": list(shards)})


def drain(connection: Connection, node: int) -> None:
    """Count this node no longer among those that share the work."""
    connection.execute(_DRAIN, {"node": node})


def leave(connection: Connection, node: int, why: str) -> None:
    """End the node's own life."""
    _durably(connection)
    connection.execute(_LEAVE, {"node": node, "why": why})


def _durably(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL synchronous_commit = on")


_RUNNING_ELSEWHERE = text(
    "SELECT name, host FROM nodes JOIN leases USING (node)"
    " WHERE installation = :installation AND host <> :host AND ended_at IS NULL AND until > clock_timestamp()"
)
_END_FORMER = text(
    "UPDATE nodes SET ended_at = clock_timestamp(), why = 'started again'"
    " WHERE installation = :installation AND ended_at IS NULL"
)
_BEGIN_LIFE = text(
    "INSERT INTO nodes (installation, name, host, version, report)"
    " VALUES (:installation, :name, :host, :version, CAST(:report AS jsonb)) RETURNING node"
)
_BEGIN_LEASE = text(
    "INSERT INTO leases (node, until, steady_since)"
    " VALUES (:node, clock_timestamp() + :lease_s * interval '1 second', clock_timestamp())"
)
_RENEW = text(
    "UPDATE leases SET until = clock_timestamp() + :lease_s * interval '1 second',"
    " steady_since = CASE WHEN until < clock_timestamp() THEN clock_timestamp() ELSE steady_since END"
    " WHERE node = :node AND EXISTS (SELECT FROM nodes WHERE node = :node AND ended_at IS NULL)"
)
# Only if it says something new: each update leaves an old version of the row that the fence locks.
_REPORT = text(
    "UPDATE nodes SET report = CAST(:report AS jsonb) WHERE node = :node AND report <> CAST(:report AS jsonb)"
)
_REAP = text(
    f"{END_OPEN} AND node IN (SELECT node FROM leases WHERE until < clock_timestamp())"
    " AND EXISTS (SELECT FROM leases WHERE node = :node AND until > clock_timestamp()"
    " AND steady_since < clock_timestamp() - :lease_s * interval '1 second')"
    " RETURNING node"
)
_SURVEY = text(
    "SELECT (SELECT count(*) FROM nodes WHERE ended_at IS NULL AND NOT draining) AS sharers,"
    " ARRAY(SELECT shard FROM shards WHERE node = :node) AS mine,"
    " (SELECT count(*) FROM shards LEFT JOIN nodes USING (node)"
    "  WHERE shards.node IS NULL OR nodes.ended_at IS NOT NULL) AS free,"
    " (SELECT draining FROM nodes WHERE node = :node) AS draining"
)
_CLAIM = text(
    "UPDATE shards SET node = :node, since = clock_timestamp() WHERE shard IN ("
    " SELECT shard FROM shards LEFT JOIN nodes ON nodes.node = shards.node"
    " WHERE (shards.node IS NULL OR nodes.ended_at IS NOT NULL)"
    " AND EXISTS (SELECT FROM nodes WHERE node = :node AND ended_at IS NULL)"
    " ORDER BY shard LIMIT :at_most FOR UPDATE OF shards SKIP LOCKED)"
    " RETURNING shard"
)
_RELEASE = text("UPDATE shards SET node = NULL, since = clock_timestamp() WHERE node = :node AND shard = ANY(:shards)")
_DRAIN = text("UPDATE nodes SET draining = true WHERE node = :node AND NOT draining")
_LEAVE = text("UPDATE nodes SET ended_at = clock_timestamp(), why = :why WHERE node = :node AND ended_at IS NULL")
