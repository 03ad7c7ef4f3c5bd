"""The PostgreSQL server: whether it keeps what it acknowledges, is up to its work, and is reached safely."""

from collections.abc import Iterator

from daemon.doctor.finding import Finding, failed, ok, skipped, warning
from daemon.domain.printable import in_one_line
from daemon.store.postgresql.inspect import MOST_COUNTED, Facts, Server, ServerAddress

_OLDEST_VERSION = 140_000
# A node has a writer, four readers, three connections for membership and feed, and one that listens.
_CONNECTIONS_OF_A_NODE = 9
_NEARLY_ALL = 0.8
_LITTLE_MS, _MUCH_MS = 1_000, 60_000
_OLD_SNAPSHOT_S = 600
_MIB = 1 << 20
_CHECKED_TLS = ("verify-full", "verify-ca")
_DURABLE = "Acknowledged events can be lost until it is corrected."


def check_server(facts: Facts, address: ServerAddress) -> Iterator[Finding]:
    """Whether the server can be used at all, and what is in it."""
    server, place = facts.server, host_of(address)
    if server.version < _OLDEST_VERSION:
        finding = f"the server {place} is PostgreSQL {_version(server)}, and 14 is the oldest that works"
        yield failed("database", finding, "Upgrade the server to PostgreSQL 14 or newer.")
    elif server.is_standby:
        advice = "Name the primary in store.url, or all hosts with target_session_attrs=read-write."
        yield failed("database", f"the server {place} is a standby, which cannot be written", advice)
    else:
        more = "at least " if facts.pending == MOST_COUNTED else ""
        pending = f"{more}{facts.pending:,} deliveries are pending"
        size = f"the database has {server.database_bytes // _MIB:,} MiB"
        yield ok("database", f"PostgreSQL {_version(server)} answers at {place}; {size}, and {pending}")


def check_durability(facts: Facts, address: ServerAddress) -> Iterator[Finding]:
    """Whether what the server acknowledges survives its crash, and, with several hosts, the loss of one."""
    settings, place = facts.server.settings, host_of(address)
    lossy = [name for name in ("fsync", "synchronous_commit") if settings[name] == "off"]
    for name in lossy:
        advice = f"Set {name} = on in postgresql.conf, or for this role and database. {_DURABLE}"
        yield failed("durability", f"{name} is off at {place}: a crash of the server loses acknowledged events", advice)
    if settings["full_page_writes"] == "off":
        advice = "Set full_page_writes = on, unless the server's storage writes 8 KiB at once or not at all."
        yield warning("durability", f"full_page_writes is off at {place}: a power cut can damage pages", advice)
    elif not lossy:
        yield ok("durability", f"what {place} acknowledges is on its disk")
    if len(address.hosts) > 1:
        yield _check_standby(facts.server, place)


def _check_standby(server: Server, place: str) -> Finding:
    advice = "Set synchronous_standby_names on the server and leave synchronous_commit on."
    if not server.settings["synchronous_standby_names"] or server.settings["synchronous_commit"] in ("local", "off"):
        finding = f"no commit at {place} waits for a standby: a failover can lose acknowledged events"
        return failed("standby", finding, advice)
    if server.synchronous_standbys is None:
        advice = "Have an administrator run: GRANT pg_read_all_stats TO the role in store.url"
        return warning("standby", f"whether a standby follows {place} this role may not know", advice)
    if not server.synchronous_standbys:
        finding = f"no synchronous standby follows {place}: commits wait for one, and nothing is accepted"
        return failed("standby", finding, "Start the standby, or correct synchronous_standby_names on the server.")
    return ok("standby", f"commits at {place} wait for a standby ({server.synchronous_standbys} synchronous)")


def check_server_clock(facts: Facts, address: ServerAddress) -> Finding:
    """Whether this machine and the server agree on the time."""
    off_ms, place = abs(facts.difference_ms), host_of(address)
    side = "behind" if facts.difference_ms > 0 else "ahead of"
    finding = f"this machine's clock is {off_ms / 1000:,.1f} s {side} that of the database server {place}"
    advice = "Let a time service set the clocks of all nodes and of the server: nodes compare each other's times."
    if off_ms > _MUCH_MS:
        return failed("server clock", finding, advice)
    if off_ms > _LITTLE_MS:
        return warning("server clock", finding, advice)
    return ok("server clock", f"this machine and {place} agree on the time within {max(1, round(off_ms)):,} ms")


def check_vacuum(facts: Facts, address: ServerAddress) -> Iterator[Finding]:
    """Whether dead rows are removed: autovacuum runs, keeps up, and nothing holds it back."""
    place = host_of(address)
    if facts.server.settings["autovacuum"] == "off":
        advice = "Set autovacuum = on in postgresql.conf: without it tables grow, and queries get slow."
        yield warning("vacuum", f"autovacuum is off at {place}", advice)
    for table in facts.unvacuumed:
        advice = f"Run: ALTER TABLE {table} RESET (autovacuum_enabled)"
        yield warning("vacuum", f"autovacuum is off for the table {table} at {place}", advice)
    for each in facts.bloated:
        finding = (
            f"the table {each.table} at {place} has {each.dead:,} dead rows beside {each.live:,}, "
            f"and was last vacuumed: {each.vacuumed}"
        )
        advice = f"Run VACUUM {each.table}, end old transactions, and lower autovacuum_vacuum_scale_factor for it."
        yield warning("vacuum", finding, advice)
    if not facts.bloated and not facts.unvacuumed and facts.server.settings["autovacuum"] != "off":
        yield ok("vacuum", "autovacuum is on, and keeps up with the busiest tables")
    yield _check_snapshot(facts, place)


def _check_snapshot(facts: Facts, place: str) -> Finding:
    held = facts.snapshot
    if held is None or held.age_s < _OLD_SNAPSHOT_S:
        return ok("old transactions", f"no transaction at {place} has been open for {_OLD_SNAPSHOT_S // 60} minutes")
    finding = f"a transaction at {place} has been open for {held.age_s / 60:,.0f} minutes ({held.whose})"
    advice = "End it if nothing needs it, with pg_terminate_backend(pid): it keeps dead rows, and busy rows get slow."
    return warning("old transactions", finding, advice)


def check_connections(facts: Facts, address: ServerAddress) -> Finding:
    """Whether there are connections left for one more node."""
    used, most, place = facts.server.connections, facts.server.most_connections, host_of(address)
    finding = f"{used:,} of {most:,} connections of {place} are used"
    advice = f"Raise max_connections, or put a pooler before the server: each node needs {_CONNECTIONS_OF_A_NODE}."
    if most - used < _CONNECTIONS_OF_A_NODE:
        return failed("connections", finding, advice)
    return (warning("connections", finding, advice)) if used > _NEARLY_ALL * most else ok("connections", finding)


def check_address(facts: Facts, address: ServerAddress) -> Iterator[Finding]:
    """Whether nobody between reads along or answers in the server's place, and no password is in the address."""
    place, verifying = host_of(address), "Set sslmode=verify-full and sslrootcert in store.url."
    if address.is_local:
        yield skipped("database TLS", f"the server at {place} is on this machine")
    elif not facts.server.is_encrypted:
        finding = f"the connection to {place} is not encrypted: events and passwords cross the network readable"
        yield warning("database TLS", finding, f"Have the server offer TLS. {verifying}")
    elif address.sslmode not in _CHECKED_TLS:
        finding = f"the connection to {place} is encrypted, but sslmode={address.sslmode} checks no certificate"
        yield warning("database TLS", finding, verifying)
    else:
        yield ok("database TLS", f"the connection to {place} is encrypted, and the server's certificate is checked")
    if address.has_password:
        advice = "Put it into a file of its own, named by store.password_file, or the credential store-password."
        yield warning("database password", "store.url has a password in it, which backups and logs may repeat", advice)
    else:
        yield ok("database password", "store.url has no password in it")


def host_of(address: ServerAddress) -> str:
    """Return the hosts of an address, as a sentence names them."""
    return ", ".join(in_one_line(host) or "the local socket" for host in address.hosts)


def _version(server: Server) -> str:
    return f"{server.version // 10_000}.{server.version % 10_000}"
