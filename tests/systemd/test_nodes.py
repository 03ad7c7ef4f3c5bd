"""Several nodes on one machine, `kakiyo-webhooks@1`, `@2`, …, which share a PostgreSQL database and an address."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import is_installed
from tests.support.programs import program, skip_without
from tests.systemd.conftest import CONFIG, REPOSITORY
from tests.systemd.machine import Machine, booted

SINGLE, TEMPLATE = (REPOSITORY / "systemd" / f"kakiyo-webhooks{at}.service" for at in ("", "@"))
UNITS = [f"kakiyo-webhooks@{number}.{kind}" for number in (1, 2) for kind in ("socket", "service")]
# As Debian's own service would: a server of the machine, that any local user may reach.
START_POSTGRESQL = """\
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -1)")
install -d -o postgres /srv/pg && cd /srv/pg
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
$as "$bin/initdb" --pgdata data --auth trust --no-sync --username postgres >/dev/null
$as "$bin/pg_ctl" --pgdata data --wait --silent --log log --options "-c fsync=off -k /srv/pg" start
"""
LIST_TEAMS_OVER_NEW_CONNECTIONS = """\
key=$(cat /etc/kakiyo-webhooks/credentials/operator-key)
for _ in $(seq 20); do
    curl --silent --show-error --fail --header "Authorization: Bearer $key" http://127.0.0.1:8480/v1/teams
done
"""


def settings_of(unit: Path) -> set[str]:
    """Return what a unit says, without comments, with its number left out."""
    lines = unit.read_text("utf-8").splitlines()
    return {line.replace("@%i", "").replace("-nodes/%i", "") for line in lines if line and not line.startswith("#")}


def test_a_node_is_confined_exactly_as_the_service_is() -> None:
    said, of_node = settings_of(SINGLE), settings_of(TEMPLATE)
    assert {line.partition("=")[0] for line in said - of_node} == {"Description", "After"}
    assert {line.partition("=")[0] for line in of_node - said} == {
        *("Description", "After", "Conflicts", "User", "Environment"),
    }


@pytest.fixture
def machine_with_postgresql(machines: Path, installed: Path) -> Iterator[Machine]:
    """A machine on which the service was installed and a PostgreSQL server runs; the service does not."""
    program("curl")
    if not is_installed():
        skip_without("postgresql", "PostgreSQL is not on this machine")
    base = machines / f"{os.getpid()}-nodes"
    try:
        with booted(base, [installed]) as machine:
            machine.run("systemctl", "disable", "--now", "kakiyo-webhooks.service", "kakiyo-webhooks.socket")
            machine.run("sh", "-ec", START_POSTGRESQL)
            machine.write(CONFIG, '[store]\nurl = "postgresql://postgres@127.0.0.1/postgres"\n')
            yield machine
    finally:
        shutil.rmtree(base)


@pytest.mark.timeout(60, func_only=True)
def test_two_nodes_share_a_database_and_an_address(machine_with_postgresql: Machine) -> None:
    machine = machine_with_postgresql
    machine.run("systemctl", "enable", "--now", *UNITS)
    nodes = json.loads(machine.run("kakiyo-webhooks", "nodes", "--json"))["items"]
    assert {node["name"].rpartition("-")[2] for node in nodes} == {"1", "2"}
    listening = machine.run("ss", "--listening", "--tcp", "--numeric", "--no-header", "sport = :8480")
    assert len(listening.splitlines()) == 2, "each has a socket of its own"
    for number in (1, 2):
        assert machine.run("ls", f"/var/lib/kakiyo-webhooks-nodes/{number}").split() >= ["listening.json"]
    machine.run("kakiyo-webhooks", "teams", "create", "--id", "acme", "--name", "Acme")
    machine.run("systemctl", "stop", "kakiyo-webhooks@2.socket", "kakiyo-webhooks@2.service")
    answers = machine.run("sh", "-ec", LIST_TEAMS_OVER_NEW_CONNECTIONS)
    assert answers.count('"acme"') == 20, "no connection is left to a node that is gone"
    machine.run("make", "-C", str(REPOSITORY), "uninstall")
    assert machine.run("systemctl", "list-units", "--plain", "--no-legend", "kakiyo-webhooks*") == ""
    assert "kakiyo" not in machine.run("sh", "-c", "ls /etc/systemd/system/*.wants")
