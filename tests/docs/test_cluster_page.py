"""docs/cluster.md, played word for word: from one daemon on SQLite to three nodes behind Caddy (issue 9, point 8)."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.config.settings import load_settings
from tests.docs.pages import blocks, only_block, section
from tests.docs.playing import DONE, PROGRAM, Place, assert_shown, free_port, pair_up, terminal
from tests.support.postgresql import SUPERUSER, PostgresqlServer
from tests.support.programs import plain_environment, program

PAGE = "docs/cluster.md"
DATABASE = "kakiyo_webhooks"
OF_THE_TEST = "the_database_of_the_page"
# What a shell has begun in the background ends with it.
END_WITH_THE_SHELL = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    ports = {port: str(free_port()) for port in ("8480", "8481", "8482", "8483", "9000")}
    return Place(
        {PROGRAM: f"{sys.executable} -m daemon", "/tmp/kakiyo": str(tmp_path / "k"), DATABASE: OF_THE_TEST, **ports}
    )


@contextmanager
def room_for_a_database(server: PostgresqlServer) -> Iterator[dict[str, str]]:
    """Return variables with which libpq's programs find the server; what they make there is removed."""
    try:
        yield {"PGHOST": str(server.directory), "PGPORT": str(server.port), "PGUSER": SUPERUSER}
    finally:
        server.run(f"DROP DATABASE IF EXISTS {OF_THE_TEST} WITH (FORCE)")


def test_the_page_leads_from_one_daemon_to_three_nodes_and_through_their_upgrade(
    place: Place, postgresql: tuple[PostgresqlServer, str], tmp_path: Path
) -> None:
    for name in ("curl", "caddy", "createdb"):
        program(name)
    steps = pair_up(blocks(section(PAGE, "Three nodes on one machine, to try it")))
    with (
        room_for_a_database(postgresql[0]) as found,
        terminal("bash", "-eo", "pipefail", **found, HOME=str(tmp_path)) as shell,
    ):
        shell.type(END_WITH_THE_SHELL)
        for command, shown in steps:
            shell.type(f"{place.here(command)}\necho '{DONE}'\n")
            assert_shown(place, shown, shell.read_until(DONE).removesuffix(f"{DONE}\n"))
    received = (tmp_path / "k" / "received.txt").read_text("utf-8")
    assert received.count("VALID signature") == received.count("POST /") == 3


def test_the_configuration_of_a_host_is_right(tmp_path: Path) -> None:
    text = section(PAGE, "Three nodes on three hosts")
    (tmp_path / "config.toml").write_text(only_block(text, "toml"))
    settings = load_settings(tmp_path / "config.toml")
    assert settings.store.url.endswith(f"/{DATABASE}?sslmode=verify-full")
    listening = re.findall(r"^ListenStream=(.+)$", only_block(text, "ini"), re.MULTILINE)
    assert listening == [settings.api.bind], "systemd and the daemon are told the same address"


def test_caddy_takes_its_configuration_and_asks_each_node_with_a_key(tmp_path: Path) -> None:
    caddyfile = only_block(section(PAGE, "Three nodes on three hosts"), "caddyfile")
    (tmp_path / "Caddyfile").write_text(caddyfile)
    command = [program("caddy"), "adapt", "--validate", "--config", str(tmp_path / "Caddyfile")]
    environment = plain_environment(HOME=str(tmp_path), KAKIYO_HEALTH_KEY="kwh_of_the_test")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    for part in ('"Bearer kwh_of_the_test"', '"/readyz"', '"10.0.0.3:8480"'):
        assert part in done.stdout
