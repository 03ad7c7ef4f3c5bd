"""Standard output that is closed or full, and what others wrote on it (contract "Command line")."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.forked_command import run_command

KEY = {
    "id": "key_1",
    "teamId": "acme",
    "name": "ci",
    "role": "admin",
    "key": "kwh_x",
    "createdAt": "2025-07-15T10:30:00Z",
}
WEBHOOK = {
    "id": "wh_1",
    "teamId": "acme",
    "name": "CRM",
    "url": "https://a.example/",
    "events": ["*"],
    "active": True,
    "consecutiveFailures": 0,
    "disabledReason": None,
    "disabledAt": None,
    "hasSecret": True,
    "secret": "whsec_x",
    "createdAt": "2025-07-15T10:30:00.000Z",
    "updatedAt": "2025-07-15T10:30:00.000Z",
}
SINKS = [">/dev/full", ">&-", "| true"]


def run_into(sink: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its stdout there."""
    if sink == ">/dev/full":
        with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
            return run_command(*arguments, stdout=full.fileno())
    if sink == "| true":
        reading, writing = os.pipe()
        os.close(reading)  # the reader has left before anything is written
        with os.fdopen(writing, "wb"):
            return run_command(*arguments, stdout=writing)
    command = ["sh", "-c", f'"$@" {sink}', "sh", sys.executable, "-m", "daemon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.fault(
    "Standard output is closed or full as a key is made", "Exit code 5, and the key is named, to be revoked"
)
@pytest.mark.parametrize("sink", SINKS)
def test_a_key_that_could_not_be_shown_is_named_to_be_revoked(api: Any, sink: str) -> None:
    api.answers = [(201, json.dumps(KEY))]
    ended = run_into(sink, "keys", "create", "--team", "acme", "--name", "ci")
    assert ended.returncode == 5, ended.stderr
    assert "Key key_1 was made and never shown: revoke it with `keys revoke key_1`" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "kwh_secret" not in ended.stderr


def test_a_secret_that_could_not_be_shown_is_named_to_be_replaced(api: Any) -> None:
    api.answers = [(201, json.dumps(WEBHOOK))]
    create = ["webhooks", "create", "--name", "CRM", "--url", "https://a.example/", "--event", "*", "--json"]
    ended = run_into(">/dev/full", *create, "--generate-secret")
    assert ended.returncode == 5, ended.stderr
    assert "webhooks rotate-secret wh_1" in ended.stderr


@pytest.mark.parametrize(("sink", "code"), [(">/dev/full", 5), (">&-", 5), ("| true", 0)])
def test_output_that_cannot_be_written_is_said(api: Any, sink: str, code: int) -> None:
    api.answers = [(200, '{"items": [], "nextCursor": null}')]
    ended = run_into(sink, "teams", "list")
    assert ended.returncode == code
    assert ended.stderr.count("\n") == (code != 0), ended.stderr


@pytest.mark.parametrize("sink", [">/dev/full", ">&-"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["teams", "--help"]])
def test_help_that_cannot_be_written_is_said(sink: str, arguments: list[str]) -> None:
    ended = run_into(sink, *arguments)
    assert ended.returncode == 5, ended.stderr
    assert ended.stderr.startswith("Standard output cannot be written (")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("sink", ["2>/dev/full", "2>&-"])
def test_wrong_usage_ends_with_2_though_nobody_can_hear_it(sink: str) -> None:
    assert run_into(sink, "nonsense").returncode == 2


def test_what_others_wrote_steers_no_terminal(run: Any, api: Any) -> None:
    name = "a\x1b[2J\u202eb\u2028[red]c\x9b[/]"
    answer = json.dumps({"items": [{**WEBHOOK, "name": name, "url": "https://\u202ea/"}], "nextCursor": None})
    api.answers = [(200, answer), (200, json.dumps(json.loads(answer), ensure_ascii=False))]
    table, as_json = run("webhooks", "list").out, run("webhooks", "list", "--json").out
    for shown in (table, as_json):
        assert all(character.isprintable() or character == "\n" for character in shown)
    assert "a\\x1b[2J\\u202eb\\u2028[red]c\\x9b[/]" in table
    assert json.loads(as_json) == json.loads(answer)


def test_what_the_daemon_refuses_steers_no_terminal(run: Any, api: Any) -> None:
    api.answers = [(404, json.dumps({"title": "x", "detail": "\x1b[2J\u202e", "code": "\x07"}, ensure_ascii=False))]
    assert run("events", "show", "evt_1").err == "\\x1b[2J\\u202e (\\x07)\n"
