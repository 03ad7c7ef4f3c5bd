"""What the commands say of `[store]`, and to those whose database is no file (contract "The database")."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.exits import ExitCode
from daemon.crypto.encryption_keys import write_keys
from tests.cli.conftest import Ended

PASSWORD = "correct horse"
URL = "postgresql://kakiyo:correct%20horse@db.example.com/kakiyo?sslmode=verify-full&connect_timeout=1"
SHOWN = "postgresql://kakiyo:***@db.example.com/kakiyo?sslmode=verify-full&connect_timeout=1"

Ask = Callable[..., Ended]


@pytest.fixture
def ask(run: Any, tmp_path: Path) -> Ask:
    """Run a command with this URL in the configuration."""

    def ask(*arguments: str, url: str = URL) -> Ended:
        file = tmp_path / "config.toml"
        file.write_text(f"[store]\nurl = {json.dumps(url)}\n")
        ended: Ended = run(*arguments, "--config", str(file), "--state-dir", str(tmp_path / "state"))
        assert "horse" not in ended.out + ended.err
        return ended

    return ask


def refused(ended: Ended, *words: str) -> None:
    """Assert that a command ended with 2 and one sentence that has these words."""
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert ended.err.count("\n") == 1
    assert not [word for word in words if word not in ended.err], ended.err


def test_the_settings_are_shown_without_the_password(ask: Ask) -> None:
    ended = ask("check-config")
    assert (ended.code, ended.err) == (ExitCode.DONE, "")
    assert f'store.url = "{SHOWN}"\n' in ended.out
    assert json.loads(ask("check-config", "--json").out)["store"]["url"] == SHOWN


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://kakiyo:correct%20horse@db/kakiyo?sslmod=require", ("invalid URI query parameter", "sslmod")),
        ("postgresql://kakiyo:correct horse@db/kakiyo", ("store.url", "without white space")),
        ("postgresql://[::1/kakiyo?password=horse", ("matching", "]")),
        ("mysql://kakiyo:horse@db/kakiyo", ("store.url", 'expected a URL such as "postgresql://')),
        ("postgresql+psycopg://kakiyo:horse@db/kakiyo", ("store.url", 'expected a URL such as "postgresql://')),
    ],
)
def test_an_address_that_libpq_does_not_take_is_refused_in_a_sentence(
    ask: Ask, url: str, words: tuple[str, ...]
) -> None:
    refused(ask("check-config", url=url), *words)


def test_without_the_driver_the_extra_is_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    refused(ask("check-config"), "store.url: the driver of PostgreSQL", "install kakiyo-webhooks[postgresql]")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backup", "copy.db"), "pg_dump"),
        (("restore", "copy.db"), "pg_restore"),
    ],
)
def test_a_command_for_the_file_says_what_to_use_instead(ask: Ask, arguments: tuple[str, ...], words: str) -> None:
    refused(ask(*arguments), "store.url: the database is on a PostgreSQL server and no file here", words)


def test_a_key_is_rotated_only_when_every_node_may_have_the_new_one(ask: Ask, tmp_path: Path) -> None:
    write_keys(tmp_path / "one", [bytes(32)])
    refused(ask("secrets", "rotate-key", "--key-file", str(tmp_path / "one")), "holds one key only", "of every node")
    refused(ask("secrets", "rotate-key"), "has no encryption key: name this node's with --key-file")


def test_doctor_looks_at_the_server_and_not_for_a_file(ask: Ask) -> None:
    ended = ask("doctor", "--json", url="postgresql://kakiyo:horse@127.0.0.1:1/kakiyo")
    [database] = [check for check in json.loads(ended.out)["checks"] if check["name"] == "database"]
    assert database["verdict"] == "failed"
    assert "127.0.0.1" in database["message"]


def test_doctor_says_that_an_address_is_wrong(ask: Ask) -> None:
    checks = json.loads(ask("doctor", "--json", url="postgresql://kakiyo:horse@h/kakiyo?sslmod=1").out)["checks"]
    [database] = [check for check in checks if check["name"] == "database"]
    assert database["verdict"] == "failed"
    assert "sslmod" in database["message"]
