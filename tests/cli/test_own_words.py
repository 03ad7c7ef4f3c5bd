"""What the API refuses is said in the words of the command (contract "Command line")."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.cli.own_words import explain
from tests.cli.test_requests import CASES
from tests.support.process import REPOSITORY


def _problem(code: str, detail: str, *errors: tuple[str, str]) -> str:
    return json.dumps(
        {"code": code, "detail": detail, "errors": [{"path": path, "message": said} for path, said in errors]}
    )


def _invalid(*errors: tuple[str, str]) -> str:
    return _problem("invalid_field", "Correct the fields listed in `errors` and send the request again.", *errors)


@pytest.mark.parametrize(
    ("command", "path", "spelled"),
    [
        ("webhooks create --name a --url http://x --event *", "$.url", "--url"),
        ("webhooks create --name a --url http://x --event * --event frob", "$.events[1]", "--event frob"),
        ("webhooks create --name a --url http://x --event * --generate-secret", "$.secret", "--secret-file"),
        ("teams create --name a --id test", "$.id", "--id"),
        ("teams create --name a --email x", "$.notificationEmails[0]", "--email x"),
        ("teams update t --max-webhooks 5", "$.maxWebhooks", "--max-webhooks"),
        ("teams portal-link t --minutes 0", "$.expiresInMinutes", "--minutes"),
        ("events send --type a.b --data {}", "$.teamId", "--team"),
        ("events send --type a.b --data {}", "$.event", "--type"),
        ("events send --type a.b --data {}", "header.Idempotency-Key", "--idempotency-key"),
        ("credits show", "query.teamId", "--team"),
        ("deliveries list", "query.cursor", "--cursor"),
        ("webhooks rotate-secret wh_1", "$.overlapHours", "--overlap-hours"),
    ],
)
def test_a_wrong_field_is_named_as_the_option_that_it_came_from(
    run: Any, api: Any, command: str, path: str, spelled: str
) -> None:
    api.answers = [(422, _invalid((path, "is wrong")))]
    ended = run(*command.split(" "))
    assert (ended.code, ended.err) == (1, f"The daemon refused this: (invalid_field)\n  {spelled}: is wrong\n")


def test_a_field_of_a_file_keeps_the_place_where_it_stands(run: Any, api: Any) -> None:
    api.answers = [(422, _invalid(("$[3].teamId", "is missing")))]
    assert "  $[3].teamId: is missing\n" in run("events", "batch", "-", stdin=b"[]").err


def _sent() -> Iterator[tuple[str, str]]:
    for command, request, _, _ in CASES:
        for field in cast("tuple[str, str, Any]", request)[2] or ():
            if field not in ("active", "paused"):  # of `enable`, `pause` and so on, which have no option for it
                yield command, field


@pytest.mark.parametrize(("command", "field"), list(_sent()))
def test_every_field_that_a_command_sends_has_an_option_or_an_argument(
    run: Any, api: Any, command: str, field: str
) -> None:
    api.answers = [(422, _invalid((f"$.{field}", "is wrong")))]
    said = run(*command.split(" ")).err.splitlines()[1]
    assert said.startswith(("  --", "  ADDRESS:", "  CONDITION:", "  TYPE:")), said


def test_an_unknown_team_is_told_of_as_the_option(run: Any, api: Any) -> None:
    api.answers = [(404, _problem("not_found", "There is no such team: check teamId.", ("$.teamId", "no such team")))]
    ended = run("credits", "grant", "--team", "x", "--amount", "5")
    assert ended.code == 4
    assert ended.err == "There is no such team: check --team. (not_found)\n  --team: no such team\n"


def test_a_command_is_named_instead_of_a_route(run: Any, api: Any) -> None:
    api.answers = [(422, _invalid(("$.event", "unknown event type: GET /v1/webhooks/test/events lists them")))]
    ended = run("events", "send", "--type", "frob", "--data", "{}")
    assert "--type: unknown event type: `kakiyo-webhooks events types` lists them" in ended.err


def _sentences_of_the_api() -> set[str]:
    """Every text that a function of the API returns or raises: among them all that it refuses with."""
    said = set()
    for file in Path(REPOSITORY, "api").rglob("*.py"):
        for statement in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(statement, ast.Return | ast.Raise):
                constants = (node.value for node in ast.walk(statement) if isinstance(node, ast.Constant))
                said |= {text for text in constants if isinstance(text, str)}
    return said


def test_no_refusal_of_the_api_reaches_a_person_with_a_route() -> None:
    told = [explain({"code": "x", "detail": text or "-"}, "", None) for text in _sentences_of_the_api()]
    assert any("kakiyo-webhooks events types" in text for text in told)
    assert not [text for text in told if "/v1/" in text]


def test_a_key_that_is_refused_is_told_by_where_it_came_from(
    run: Any, api: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = (401, _problem("unauthorized", "Send a valid API key in the header `Authorization: Bearer <key>`."))
    api.answers = [refused, refused, (403, _problem("operator_only", "This requires the operator's key."))]
    assert "the key from the variable KAKIYO_WEBHOOKS_API_KEY" in run("teams", "list").err
    monkeypatch.delenv("KAKIYO_WEBHOOKS_API_KEY")
    (tmp_path / "operator.key").write_text("other")
    said = run("teams", "list", "--state-dir", str(tmp_path)).err
    assert f"the key from the file {tmp_path}/operator.key" in said
    assert "Bearer" not in said
    assert str(tmp_path) in run("teams", "list", "--state-dir", str(tmp_path)).err
