"""The database on a PostgreSQL server: looked at once, for all checks."""

from collections.abc import Iterator
from functools import cache

from daemon.config.settings import ConfigError, Settings
from daemon.config.shared_settings import shared_settings
from daemon.crypto.encryption_keys import given_keys
from daemon.crypto.vault import SEAL_LENGTH, Vault, key_id
from daemon.doctor.finding import Finding, failed, skipped, warning
from daemon.doctor.nodes import check_nodes
from daemon.doctor.postgresql import (
    check_address,
    check_connections,
    check_durability,
    check_server,
    check_server_clock,
    check_vacuum,
    host_of,
)
from daemon.doctor.stored import Stored, check_ledger, check_revision
from daemon.maintenance.sealed_database import KeyFit
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.inspect import Cluster, Facts, ServerAddress, inspect, read_address
from daemon.store.schema import HEAD_REVISION

# Shards change hands in less: a lease, and the time to notice that it is over.
_GRACE_S = 10


def stored_on_server(settings: Settings, url: str, password: str | None, *, full: bool) -> Stored:
    """Return the database at this address. Raises DatabaseRefused for an address that cannot be read."""
    address = read_address(url)

    @cache
    def look() -> Facts | DatabaseRefused:
        try:
            return inspect(url, password, grace_s=_GRACE_S, seal_length=SEAL_LENGTH, full=full)
        except DatabaseRefused as refusal:
            return refusal

    return Stored(
        place=f"the database at {host_of(address)}",
        examine=lambda: _examine(settings, address, look()),
        key_fit=lambda: _key_fit(settings, look()),
        newest_time=lambda: facts.newest_time if isinstance(facts := look(), Facts) else None,
        newest_urls=lambda: facts.newest_urls if isinstance(facts := look(), Facts) else (),
    )


def _examine(settings: Settings, address: ServerAddress, facts: Facts | DatabaseRefused) -> Iterator[Finding]:
    if isinstance(facts, DatabaseRefused):
        advice = "Start the server, or correct store.url and the password; nothing is accepted or delivered meanwhile."
        yield failed("database", f"{host_of(address)} {facts}", advice)
        return
    yield from check_server(facts, address)
    yield from check_durability(facts, address)
    yield from check_address(facts, address)
    yield check_server_clock(facts, address)
    yield from check_vacuum(facts, address)
    yield check_connections(facts, address)
    if facts.revision is None:
        yield skipped("migrations", "the database is empty: the first start creates its tables")
        return
    yield _check_revision(facts.revision, facts.cluster)
    if facts.cluster is not None:
        yield from check_nodes(facts.cluster, _fingerprints(settings), shared_settings(settings))
    if facts.out_of_balance is not None:
        yield check_ledger(facts.out_of_balance, "Restore a backup of the database.")


def _check_revision(revision: str, cluster: Cluster | None) -> Finding:
    if cluster is not None and cluster.readable_by <= HEAD_REVISION < revision:
        finding = f"a newer version has upgraded the database (revision {revision}), and this one may go on with it"
        return warning("migrations", finding, "Upgrade this node, too.")
    return check_revision(revision)


def _key_fit(settings: Settings, facts: Facts | DatabaseRefused) -> KeyFit:
    """Return whether this node's keys open the secrets. Raises ConfigError."""
    found, given = facts.seals if isinstance(facts, Facts) else (), given_keys(settings)
    if given is None:
        return KeyFit.MISSING if found else KeyFit.FITS
    return KeyFit.FITS if all(map(Vault(given.keys).knows, found)) else KeyFit.WRONG


def _fingerprints(settings: Settings) -> list[str] | None:
    try:
        given = given_keys(settings)
    except ConfigError:
        return None  # the check of the keys tells why
    return None if given is None else list(map(key_id, given.keys))
