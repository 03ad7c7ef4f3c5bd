"""`doctor` on a PostgreSQL server: what it says of each thing that can be wrong there, and what is to be done."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from daemon.doctor.finding import Finding, Verdict
from daemon.doctor.nodes import check_nodes
from daemon.doctor.postgresql import (
    check_address,
    check_connections,
    check_durability,
    check_server,
    check_server_clock,
    check_vacuum,
)
from daemon.domain.agreement import Declared
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.inspect import Bloat, Cluster, Facts, Server, ServerAddress, Snapshot, read_address
from daemon.store.schema import HEAD_REVISION

SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "synchronous_standby_names": "",
    "autovacuum": "on",
}
SERVER = Server(
    version=150_004,
    settings=SETTINGS,
    is_standby=False,
    is_encrypted=True,
    synchronous_standbys=0,
    connections=20,
    most_connections=97,
)
WELL = Facts(
    server=SERVER, difference_ms=3, snapshot=None, bloated=(), unvacuumed=(), revision=HEAD_REVISION, pending=7
)
ONE = ServerAddress(("db.example",), has_password=False, sslmode="verify-full")
TWO = replace(ONE, hosts=("db1.example", "db2.example"))
OURS = {"retention.days": "30"}
CLUSTER = Cluster(living=3, key_fingerprint="abc", ownerless_shards=0, lost_lives=())


def of(server: Server = SERVER, **settings: str) -> Facts:
    return replace(WELL, server=replace(server, settings={**SETTINGS, **settings}))


def all_checks(facts: Facts, address: ServerAddress) -> Iterator[Finding]:
    yield from check_server(facts, address)
    yield from check_durability(facts, address)
    yield from check_address(facts, address)
    yield check_server_clock(facts, address)
    yield from check_vacuum(facts, address)
    yield check_connections(facts, address)


def worst(facts: Facts, address: ServerAddress = ONE) -> Finding:
    """Return the only finding that is not as it should be."""
    [finding] = [each for each in all_checks(facts, address) if each.verdict in (Verdict.FAILED, Verdict.WARNING)]
    assert finding.advice
    assert all(host in finding.message or "store.url" in finding.message for host in address.hosts)
    return finding


def test_of_a_server_that_is_well_nothing_is_wrong() -> None:
    assert {each.verdict for each in all_checks(WELL, ONE)} == {Verdict.OK}
    assert "PostgreSQL 15.4 answers at db.example; the database has 0 MiB, and 7 deliveries are pending" in [
        each.message for each in all_checks(WELL, ONE)
    ]


@pytest.mark.parametrize(
    ("facts", "verdict", "check", "said"),
    [
        (of(replace(SERVER, version=130_012)), Verdict.FAILED, "database", "PostgreSQL 13.12"),
        (of(replace(SERVER, is_standby=True)), Verdict.FAILED, "database", "is a standby"),
        (of(fsync="off"), Verdict.FAILED, "durability", "fsync is off"),
        (of(synchronous_commit="off"), Verdict.FAILED, "durability", "synchronous_commit is off"),
        (of(full_page_writes="off"), Verdict.WARNING, "durability", "full_page_writes is off"),
        (of(autovacuum="off"), Verdict.WARNING, "vacuum", "autovacuum is off"),
        (replace(WELL, unvacuumed=("deliveries",)), Verdict.WARNING, "vacuum", "off for the table deliveries"),
        (
            replace(WELL, bloated=[Bloat("teams", 20_000, 50, "never")]),
            Verdict.WARNING,
            "vacuum",
            "20,000 dead rows beside 50, and was last vacuumed: never",
        ),
        (replace(WELL, difference_ms=2_500), Verdict.WARNING, "server clock", "2.5 s behind"),
        (replace(WELL, difference_ms=-90_000), Verdict.FAILED, "server clock", "90.0 s ahead of"),
        (replace(WELL, snapshot=Snapshot("pg_dump, pid 7", 7_200)), Verdict.WARNING, "old transactions", "120 minutes"),
        (of(replace(SERVER, connections=85)), Verdict.WARNING, "connections", "85 of 97"),
        (of(replace(SERVER, connections=90)), Verdict.FAILED, "connections", "90 of 97"),
        (of(replace(SERVER, is_encrypted=False)), Verdict.WARNING, "database TLS", "is not encrypted"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(
    facts: Facts, verdict: Verdict, check: str, said: str
) -> None:
    finding = worst(facts)
    assert (finding.verdict, finding.check) == (verdict, check)
    assert said in finding.message


def test_a_young_transaction_is_no_fault() -> None:
    young = replace(WELL, snapshot=Snapshot("psql, pid 7", 20))
    assert {each.verdict for each in check_vacuum(young, ONE)} == {Verdict.OK}


@pytest.mark.parametrize(
    ("settings", "standbys", "verdict", "said"),
    [
        ({}, 0, Verdict.FAILED, "waits for a standby: a failover can lose acknowledged events"),
        ({"synchronous_commit": "local", "synchronous_standby_names": "*"}, 1, Verdict.FAILED, "waits for a standby"),
        ({"synchronous_standby_names": "*"}, 0, Verdict.FAILED, "no synchronous standby follows"),
        ({"synchronous_standby_names": "*"}, None, Verdict.WARNING, "may not know"),
    ],
)
def test_with_several_hosts_a_failover_must_lose_nothing(
    settings: dict[str, str], standbys: int | None, verdict: Verdict, said: str
) -> None:
    finding = worst(of(replace(SERVER, synchronous_standbys=standbys), **settings), TWO)
    assert (finding.check, finding.verdict) == ("standby", verdict)
    assert said in finding.message


def test_with_a_synchronous_standby_several_hosts_are_well() -> None:
    facts = of(replace(SERVER, synchronous_standbys=1), synchronous_standby_names="ANY 1 (a, b)")
    assert {each.verdict for each in all_checks(facts, TWO)} == {Verdict.OK}


def test_tls_is_asked_for_only_over_a_network_and_then_with_the_servers_certificate() -> None:
    plain = of(replace(SERVER, is_encrypted=False))
    for local in ("postgresql:///ours", "postgresql://u@localhost/ours", "postgresql://%2Frun%2Fpostgresql/ours"):
        [tls, _] = check_address(plain, read_address(local))
        assert tls.verdict is Verdict.SKIPPED, local
    [tls, _] = check_address(WELL, read_address("postgresql://u@db.example/ours?sslmode=require"))
    assert (tls.verdict, "checks no certificate" in tls.message) == (Verdict.WARNING, True)
    [tls, _] = check_address(WELL, read_address("postgresql://u@localhost,db.example/ours?sslmode=require"))
    assert tls.verdict is Verdict.WARNING


def test_a_password_in_the_address_is_told_and_never_shown() -> None:
    address = read_address("postgresql://u:s3cret@db.example:5432/ours?sslmode=verify-full")
    [_, password] = check_address(WELL, address)
    assert (password.check, password.verdict) == ("database password", Verdict.WARNING)
    assert "password_file" in password.advice
    assert all("s3cret" not in each.message + each.advice for each in all_checks(WELL, address))
    with pytest.raises(DatabaseRefused) as refusal:
        read_address("postgresql://u:s3cret@db.example:port/ours?nonsense=1")
    assert "s3cret" not in str(refusal.value)


def test_of_nodes_that_are_well_nothing_is_wrong() -> None:
    assert {each.verdict for each in check_nodes(CLUSTER, ["old", "abc"], OURS)} == {Verdict.OK}


@pytest.mark.parametrize(
    ("cluster", "verdict", "check", "said"),
    [
        (replace(CLUSTER, key_fingerprint="other"), Verdict.FAILED, "common key", "not the one that the others use"),
        (replace(CLUSTER, ownerless_shards=64), Verdict.FAILED, "shards", "64 of 256 shards have no living node"),
        (
            replace(CLUSTER, declared=[Declared("a", OURS), Declared("b", {"retention.days": "7"}), Declared("c", {})]),
            Verdict.WARNING,
            "common settings",
            "retention.days is 7 on b, and 30 on a, this machine, as configured",
        ),
        (
            replace(CLUSTER, declared=[Declared("a", {"retention.days": "7"}), Declared("b", {"retention.days": "7"})]),
            Verdict.WARNING,
            "common settings",
            "retention.days is 30 on this machine, as configured, and 7 on a, b",
        ),
        (
            replace(CLUSTER, lost_lives=(("a", "its lease was over"), ("b", "its lease is over"))),
            Verdict.WARNING,
            "nodes",
            "a (its lease was over), b (its lease is over)",
        ),
    ],
)
def test_what_is_wrong_among_the_nodes_is_said(cluster: Cluster, verdict: Verdict, check: str, said: str) -> None:
    [finding] = [each for each in check_nodes(cluster, ["abc"], OURS) if each.verdict is not Verdict.OK]
    assert (finding.check, finding.verdict) == (check, verdict)
    assert said in finding.message
    assert finding.advice


def test_without_a_key_or_a_running_node_there_is_nothing_to_tell() -> None:
    found = {
        each.check: each.verdict for each in check_nodes(replace(CLUSTER, living=0, ownerless_shards=256), None, OURS)
    }
    assert (found["common key"], found["shards"]) == (Verdict.SKIPPED, Verdict.SKIPPED)
