"""Lists fit the terminal, and a pipe gets all of them (contract "Command line")."""

import json
import re
from typing import Any

import pytest

from tests.cli.test_requests import (
    ADDED_TYPE,
    ADDRESS,
    CASES,
    DELIVERY,
    ENTRY,
    EVENT,
    EVENT_TYPE,
    LINK,
    NODE,
    TEAM,
    WEBHOOK,
)

STYLES = re.compile(r"\x1b\[[0-9;]*m")
ULID = "01k0a3bq5u1w3y5a7d9f1h3k5n"
TIME = "2025-07-15T10:30:00.120Z"
LONG = "As long as a name may be, so that no line of a terminal has room for all of it, and then some more words"
FAILED = {
    **DELIVERY,
    "id": f"dlv_{ULID}",
    "webhookId": f"wh_{ULID}",
    "event": "linkedin.invitation.accepted",
    "createdAt": TIME,
    "completedAt": TIME,
    "lastAttempt": {"outcome": "http_error", "status": 503, "durationMs": 185},
}
LISTS = [
    ("deliveries list", FAILED),
    ("webhooks list", {**WEBHOOK, "id": f"wh_{ULID}", "name": LONG, "url": f"https://example.com/{'x' * 300}"}),
    ("teams list", {**TEAM, "id": f"team_{ULID}", "name": LONG, "createdAt": TIME}),
    ("teams portal-links t", {**LINK, "id": f"plk_{ULID}"}),
    ("teams emails t", {**ADDRESS, "email": f"{'x' * 20}@example.com"}),
    ("credits entries", {**ENTRY, "id": f"crd_{ULID}", "note": LONG, "createdAt": TIME, "deliveryId": f"dlv_{ULID}"}),
    ("events list", {**EVENT, "id": f"evt_{ULID}", "acceptedAt": TIME, "key": {"id": "key_1", "name": LONG}}),
    ("events types", {**EVENT_TYPE, "id": "prospect.qualification.manual", "description": LONG}),
    ("event-types list", {**ADDED_TYPE, "name": "prospect.qualification.manual", "description": LONG}),
    ("event-types versions a.b", {"version": 2, "createdAt": TIME}),
    ("nodes", {**NODE, "name": "hooks-1.eu-west-3.internal.example", "host": "machine-" + "x" * 60}),
]


# What stands first in a list whose rows have no id.
_FIRST = {"nodes": "name", "teams emails t": "email", "event-types list": "name", "event-types versions a.b": "version"}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    def have(columns: int) -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))

    return have


@pytest.mark.parametrize("columns", [80, 132])
@pytest.mark.parametrize(("command", "item"), LISTS, ids=[command for command, _ in LISTS])
def test_a_list_fits_the_terminal_one_line_for_each_row_and_its_ids_are_whole(
    run: Any, api: Any, terminal: Any, command: str, item: dict[str, Any], columns: int
) -> None:
    terminal(columns)
    api.answers = [(200, json.dumps({"items": [item, item], "nextCursor": None}))]
    lines = STYLES.sub("", run(*command.split()).out).splitlines()
    assert all(len(line) <= columns for line in lines)
    first = str(item[_FIRST.get(command, "id")])
    assert [line.startswith(f"{first} ") for line in lines[:3]] == [False, True, True]


@pytest.mark.parametrize("columns", [80, None])
def test_a_list_of_deliveries_names_the_cause_of_a_failure(
    run: Any, api: Any, terminal: Any, columns: int | None
) -> None:
    if columns is not None:
        terminal(columns)
    api.answers = [(200, json.dumps({"items": [FAILED], "nextCursor": None}))]
    assert "503 · 185 ms" in run("deliveries", "list").out


def test_what_has_no_room_is_named(run: Any, api: Any, terminal: Any) -> None:
    terminal(80)
    api.answers = [(200, json.dumps({"items": [FAILED], "nextCursor": None}))]
    assert "No room for: attempts, webhook, created, ended (" in run("deliveries", "list").out


def test_a_pipe_gets_every_column_whole(run: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    api.answers = [(200, json.dumps({"items": [FAILED], "nextCursor": None}))]
    head, row = run("deliveries", "list").out.splitlines()
    assert head.split() == ["id", "status", "result", "attempts", "event", "webhook", "created", "ended"]
    assert row.split()[-4:] == [FAILED["event"], FAILED["webhookId"], TIME, TIME]


def test_every_command_that_lists_is_here() -> None:
    listing = {case[0].split(" --")[0] for case in CASES if isinstance(case[2], dict) and "items" in case[2]}
    found = {command for command in listing if command.startswith("find ")}  # in groups, not in one table
    assert listing - found - {"keys list", "nodes drain hooks-1"} == {command for command, _ in LISTS}
