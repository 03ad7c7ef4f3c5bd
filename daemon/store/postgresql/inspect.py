"""Inspecting a PostgreSQL server and our tables in it from outside the daemon; nothing is changed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row

from daemon.domain.agreement import Declared
from daemon.domain.printable import in_one_line
from daemon.store.engine import DatabaseRefused

_CONNECT_WITHIN_S = 5
_STATEMENT_WITHIN_MS = 5_000
_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names", "autovacuum")
_LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "::1")
# Rows of these change or go all the time: what vacuum does not keep up with makes each query slower.
_HOT_TABLES = [
    *("deliveries", "attempts", "events", "webhooks", "teams", "webhook_hours", "credit_days", "idempotency_keys"),
    *("nodes", "leases", "cluster", "feed", "requests", "holds"),
]
# More pending deliveries than this are not counted.
MOST_COUNTED = 1_000_000
_SAMPLES = 3
_FEW_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """What a database's address says: all its hosts, whether a password is in it, and how TLS is asked for."""

    hosts: tuple[str, ...]
    has_password: bool
    sslmode: str

    @property
    def is_local(self) -> bool:
        """Whether no network is between."""
        return all(host in _LOCAL_HOSTS or host.startswith(("/", "@")) for host in self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server: `version` is libpq's number of it (140005 for 14.5), `settings` are those that our sessions get.

    `synchronous_standbys` is how many it waits for, None if this role may not know.
    """

    version: int
    settings: Mapping[str, str]
    is_standby: bool
    is_encrypted: bool
    synchronous_standbys: int | None
    connections: int
    most_connections: int
    database_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A transaction, or what a slot or a prepared transaction keeps, that holds vacuum back: whose, how old."""

    whose: str
    age_s: float


@dataclass(frozen=True, slots=True)
class Bloat:
    """A table with more dead rows than living ones, and when it was vacuumed last ("never" at worst)."""

    table: str
    dead: int
    live: int
    vacuumed: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes: how many live, their key's fingerprint, shards without a living owner, lives that ended unasked.

    `declared` is what those say of their settings that live, the oldest first; `readable_by` is the oldest revision
    whose code may go on with the tables.
    """

    living: int
    key_fingerprint: str | None
    ownerless_shards: int
    lost_lives: Sequence[tuple[str, str]]
    declared: Sequence[Declared] = ()
    readable_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is found. `difference_ms`: by how much the server's clock is ahead of this machine's.

    `revision` is None for an empty database, `cluster` for one of a revision without nodes; `pending` is at most
    MOST_COUNTED. `out_of_balance` are teams whose balance is not the sum of their ledger, None unless it was asked for.
    """

    server: Server
    difference_ms: float
    snapshot: Snapshot | None
    bloated: Sequence[Bloat]
    unvacuumed: Sequence[str]
    revision: str | None
    cluster: Cluster | None = None
    pending: int = 0
    newest_time: int | None = None
    newest_urls: Sequence[str] = ()
    seals: Sequence[str] = ()
    out_of_balance: Sequence[str] | None = None


def inspect(url: str, password: str | None, *, grace_s: float, seal_length: int, full: bool = False) -> Facts:
    """Connect and look at all of it; with `full`, also at each ledger, which takes its time.

    What is without an owner for less than `grace_s` is being taken over. Of sealed secrets the first `seal_length`
    characters are read. Raises DatabaseRefused, with a message to be put after the address.
    """
    with _connected(url, password) as connection:
        facts = Facts(
            server=_inspect_server(connection),
            difference_ms=_clock_difference_ms(connection),
            snapshot=_oldest_snapshot(connection),
            bloated=_bloated_tables(connection),
            unvacuumed=[row.name for row in _all(connection, _UNVACUUMED)],
            revision=_revision_of(connection),
        )
        if facts.revision is None:
            return facts
        has_nodes = _one(connection, "SELECT to_regclass('nodes') IS NOT NULL AS found").found
        return replace(
            facts,
            cluster=_inspect_cluster(connection, grace_s) if has_nodes else None,
            pending=_one(connection, _PENDING, {"most": MOST_COUNTED}).count,
            newest_time=_newest_time(connection),
            newest_urls=[str(row.url) for row in _all(connection, _URLS)],
            seals=[str(row.seal) for row in _all(connection, _SEALS, {"length": seal_length})],
            out_of_balance=_teams_out_of_balance(connection) if full else None,
        )


def read_address(url: str) -> ServerAddress:
    """Return what a database's address says. Raises DatabaseRefused, without the address, which may hold a password."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise DatabaseRefused("the database's address cannot be read: correct store.url") from None
    hosts = str(given.get("host") or given.get("hostaddr") or "").split(",")
    return ServerAddress(tuple(hosts), "password" in given, str(given.get("sslmode") or "prefer"))


@contextmanager
def _connected(url: str, password: str | None) -> Iterator[Connection[Any]]:
    given = {} if password is None else {"password": password}
    try:
        connection = psycopg.connect(
            make_conninfo(url, application_name="kakiyo-webhooks doctor", **given), connect_timeout=_CONNECT_WITHIN_S
        )
    except psycopg.Error as error:
        raise DatabaseRefused(f"cannot be reached ({in_one_line(error)})") from None
    connection.read_only, connection.row_factory = True, namedtuple_row
    with connection:
        yield connection


def _inspect_server(connection: Connection[Any]) -> Server:
    found = _one(connection, _SERVER, {"names": list(_SETTINGS)})
    return Server(
        version=connection.info.server_version,
        settings=dict(found.settings),
        is_standby=found.is_standby,
        is_encrypted=connection.pgconn.ssl_in_use,
        synchronous_standbys=found.standbys if found.may_know else None,
        connections=found.connections,
        most_connections=found.most_connections,
        database_bytes=found.database_bytes,
    )


def _clock_difference_ms(connection: Connection[Any]) -> float:
    samples = []  # of which the quickest tells it best
    with connection.transaction():
        for _ in range(_SAMPLES):
            before = time.time()
            [row] = connection.execute(_NOW).fetchall()
            after = time.time()
            samples.append((after - before, float(row.now) - (before + after) / 2))
    return min(samples)[1] * 1000


def _oldest_snapshot(connection: Connection[Any]) -> Snapshot | None:
    found = _all(connection, _SNAPSHOTS)
    return Snapshot(in_one_line(found[0].whose), found[0].age_s) if found else None


def _bloated_tables(connection: Connection[Any]) -> list[Bloat]:
    found = _all(connection, _BLOAT, {"tables": _HOT_TABLES, "few": _FEW_ROWS})
    return [Bloat(row.table, dead=row.dead, live=row.live, vacuumed=row.vacuumed) for row in found]


def _revision_of(connection: Connection[Any]) -> str | None:
    found = _one(connection, _TABLES)
    if found.has_revision and (rows := _all(connection, "SELECT version_num FROM alembic_version")):
        return str(rows[0].version_num)
    if found.count:
        raise DatabaseRefused("is another program's: choose an empty database")
    return None


def _inspect_cluster(connection: Connection[Any], grace_s: float) -> Cluster:
    found = _one(connection, _CLUSTER, {"grace_s": grace_s})
    lost = tuple((in_one_line(row.name), in_one_line(row.why)) for row in _all(connection, _LOST, {"grace_s": grace_s}))
    return Cluster(
        living=found.living,
        key_fingerprint=found.key_fingerprint,
        ownerless_shards=found.ownerless,
        lost_lives=lost,
        declared=[Declared(in_one_line(row.name), _settings(row.settings)) for row in _all(connection, _DECLARED)],
        readable_by=found.readable_by,
    )


def _settings(told: object) -> Mapping[str, str]:
    """Return what a node said, which may be of another version, as far as it can be read."""
    return {name: value for name, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


def _newest_time(connection: Connection[Any]) -> int | None:
    found = _all(connection, "SELECT accepted_at FROM events ORDER BY seq DESC LIMIT 1")
    return int(found[0].accepted_at) if found else None


def _teams_out_of_balance(connection: Connection[Any]) -> list[str]:
    with connection.transaction():
        return [str(row.id) for row in connection.execute(_OUT_OF_BALANCE).fetchall()]


def _one(connection: Connection[Any], query: LiteralString, values: Mapping[str, Any] | None = None) -> Any:
    return _all(connection, query, values)[0]


def _all(connection: Connection[Any], query: LiteralString, values: Mapping[str, Any] | None = None) -> list[Any]:
    try:
        with connection.transaction():
            connection.execute(_WITHIN)
            return connection.execute(query, values).fetchall()
    except psycopg.Error as error:
        raise DatabaseRefused(f"cannot be looked at ({in_one_line(error)})") from None


_WITHIN = f"SET LOCAL statement_timeout = {_STATEMENT_WITHIN_MS:d}".encode()
_NOW: LiteralString = "SELECT extract(epoch FROM clock_timestamp()) AS now"
_SERVER: LiteralString = """
    SELECT (SELECT jsonb_object_agg(name, current_setting(name)) FROM unnest(%(names)s::text[]) AS name) AS settings,
        pg_is_in_recovery() AS is_standby,
        pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_know,
        (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS standbys,
        pg_database_size(current_database()) AS database_bytes,
        (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS connections,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            AS most_connections"""
_SNAPSHOTS: LiteralString = """
    SELECT whose, extract(epoch FROM clock_timestamp() - begun)::float8 AS age_s FROM (
        SELECT coalesce(nullif(application_name, ''), 'a client') || ', pid ' || pid AS whose, xact_start AS begun
        FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'walsender'
        UNION ALL SELECT 'the prepared transaction ' || gid, prepared FROM pg_prepared_xacts
    ) AS held WHERE begun IS NOT NULL ORDER BY begun LIMIT 1"""
_BLOAT: LiteralString = """
    SELECT relname AS table, n_dead_tup AS dead, n_live_tup AS live,
        coalesce(to_char(greatest(last_vacuum, last_autovacuum), 'YYYY-MM-DD HH24:MI'), 'never') AS vacuumed
    FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = ANY(%(tables)s)
        AND n_dead_tup > greatest(n_live_tup, %(few)s)
    ORDER BY n_dead_tup DESC"""
_UNVACUUMED: LiteralString = """
    SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
        AND reloptions && ARRAY['autovacuum_enabled=false', 'autovacuum_enabled=off', 'autovacuum_enabled=0']
    ORDER BY relname"""
_TABLES: LiteralString = """
    SELECT count(*) AS count, bool_or(relname = 'alembic_version') IS TRUE AS has_revision FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"""
_CLUSTER: LiteralString = """
    SELECT (SELECT count(*) FROM nodes JOIN leases USING (node)
            WHERE ended_at IS NULL AND until > clock_timestamp()) AS living,
        (SELECT key_fingerprint FROM cluster) AS key_fingerprint,
        (SELECT readable_by FROM cluster) AS readable_by,
        (SELECT count(*) FROM shards LEFT JOIN nodes USING (node) LEFT JOIN leases USING (node)
            WHERE greatest(since, ended_at, CASE WHEN ended_at IS NULL THEN until END)
                < clock_timestamp() - %(grace_s)s * interval '1 second'
            AND (nodes.node IS NULL OR ended_at IS NOT NULL OR until < clock_timestamp())) AS ownerless"""
_DECLARED: LiteralString = """
    SELECT name, report #> '{terms,settings}' AS settings FROM nodes JOIN leases USING (node)
    WHERE ended_at IS NULL AND until > clock_timestamp() ORDER BY node"""
_LOST: LiteralString = """
    SELECT name, coalesce(why, 'its lease is over') AS why FROM nodes JOIN leases USING (node)
    WHERE (ended_at > clock_timestamp() - interval '1 day' AND why <> 'stopped')
        OR (ended_at IS NULL AND until < clock_timestamp() - %(grace_s)s * interval '1 second')
    ORDER BY node DESC LIMIT 5"""
_PENDING: LiteralString = """
    SELECT count(*) AS count
    FROM (SELECT FROM deliveries WHERE status IN ('pending', 'pending_low', 'pending_aside')
        LIMIT %(most)s) AS pending"""
_URLS: LiteralString = """
    SELECT url FROM webhooks WHERE active AND deleted_at IS NULL ORDER BY seq DESC LIMIT 5"""
_SEALS: LiteralString = """
    SELECT left(secret, %(length)s) AS seal FROM webhooks WHERE secret IS NOT NULL
    UNION SELECT left(previous_secret, %(length)s) FROM webhooks WHERE previous_secret IS NOT NULL"""
_OUT_OF_BALANCE: LiteralString = """
    SELECT t.id FROM teams t LEFT JOIN (
        SELECT team_id, sum(amount) AS total, max(seq) AS last FROM credit_entries GROUP BY team_id
    ) ledger ON ledger.team_id = t.id LEFT JOIN credit_entries entry ON entry.seq = ledger.last
    WHERE t.balance <> coalesce(ledger.total, 0) OR t.balance <> coalesce(entry.balance_after, 0)"""
