import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.exits import ExitCode

PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "A field is wrong: correct it",
    "code": "validation_failed",
    "errors": [{"path": "$.url", "message": "must be an https URL"}],
}


def test_the_exit_codes_are_as_documented() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "REFUSED": 1,
        "USAGE": 2,
        "UNREACHABLE": 3,
        "NOT_FOUND": 4,
        "NOT_SHOWN": 5,
        "COMMITS_LOST": 6,
        "UNEXPECTED": 70,
        "INTERRUPTED": 130,
    }


def test_what_was_done_ends_with_0(run: Any, api: Any) -> None:
    api.answers = [(200, '{"items": [], "nextCursor": null}')]
    ended = run("teams", "list")
    assert (ended.code, ended.err) == (0, "")


def test_a_refusal_ends_with_1_and_names_sentence_code_and_field(run: Any, api: Any) -> None:
    api.answers = [(422, json.dumps(PROBLEM))]
    ended = run("webhooks", "create", "--name", "a", "--url", "http://x", "--event", "*")
    assert ended.code == 1
    assert ended.err == "A field is wrong: correct it (validation_failed)\n  --url: must be an https URL\n"
    assert ended.out == ""


def test_what_is_not_there_ends_with_4(run: Any, api: Any) -> None:
    api.answers = [(404, json.dumps({**PROBLEM, "status": 404, "code": "not_found", "errors": []}))]
    assert run("deliveries", "show", "dlv_1").code == 4


def test_a_wrong_option_ends_with_2(run: Any) -> None:
    assert run("teams", "list", "--frob").code == 2


def test_a_wrong_setting_ends_with_2_and_its_name(run: Any, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[delivery]\ntimeout_s = -1\n")
    ended = run("serve", "--config", str(tmp_path / "config.toml"))
    assert ended.code == 2
    assert "delivery.timeout_s" in ended.err
    assert "Traceback" not in ended.err


def test_several_wrong_settings_are_all_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("nonsense = 1\n[smtp]\nport = 0\n")
    ended = run("check-config", "--config", str(tmp_path / "config.toml"))
    assert ended.code == 2
    assert "nonsense" in ended.err
    assert "smtp.port" in ended.err


def test_a_missing_key_ends_with_2_and_says_where_it_was_sought(run: Any, tmp_path: Path) -> None:
    ended = run("teams", "list", "--state-dir", str(tmp_path))
    assert ended.code == 2
    assert f"There is no key at {tmp_path}/operator.key" in ended.err


def test_a_key_that_cannot_be_read_ends_with_2(run: Any, tmp_path: Path) -> None:
    (tmp_path / "operator.key").mkdir()
    ended = run("teams", "list", "--state-dir", str(tmp_path))
    assert ended.code == 2
    assert "cannot be read" in ended.err


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_what_is_no_key_is_never_sent(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str) -> None:
    (tmp_path / "operator.key").write_text(key)
    monkeypatch.delenv("KAKIYO_WEBHOOKS_API_KEY", raising=False)
    ended = run("teams", "list", "--state-dir", str(tmp_path))
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_daemon_that_does_not_run_ends_with_3(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("KAKIYO_WEBHOOKS_API_KEY", "k")
        ended = run("teams", "list", "--api-url", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ended.code == 3
    assert ended.err.startswith("The daemon cannot be reached at http://127.0.0.1:")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(("status", "text"), [(200, "<html>"), (404, "<html>"), (404, "{}"), (502, "Bad Gateway")])
def test_what_is_no_daemon_is_told_apart_from_a_refusal_of_the_daemon(
    run: Any, api: Any, status: int, text: str
) -> None:
    api.answers, api.refusal_type = [(status, text)], "text/html"
    ended = run("teams", "list")
    assert ended.code == 3
    assert "check --api-url" in ended.err


def test_a_refusal_without_a_detail_is_said_by_its_title(run: Any, api: Any) -> None:
    api.answers = [(404, '{"code": "not_found", "title": "Not found"}')]
    assert run("events", "show", "evt_1").err == "Not found (not_found)\n"


def test_a_file_that_is_missing_ends_with_2(run: Any, api: Any) -> None:
    ended = run("events", "batch", "/does/not/exist")
    assert (ended.code, ended.err) == (
        2,
        "/does/not/exist: cannot be read (No such file or directory): check the path.\n",
    )
    assert api.asked == []


def test_data_that_is_not_json_ends_with_2_and_sends_nothing(run: Any, api: Any) -> None:
    ended = run("events", "send", "--type", "a.b", "--data", "{oops")
    assert ended.code == 2
    assert ended.err.startswith("The data is not JSON (")
    assert api.asked == []


def test_python_m_daemon_is_the_command() -> None:
    ended = subprocess.run([sys.executable, "-m", "daemon", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("kakiyo-webhooks ")


def test_serving_imports_neither_rich_nor_httpx_before_the_daemon_itself() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "daemon", "serve", "--bind", "nonsense"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"rich", "httpx", "trio"}
