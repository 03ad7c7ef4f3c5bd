import json
import os
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.forked_command import ForkedCommand, run_command, running_command

OLD = {
    "timestamp": "2025-07-15T10:00:00.000Z",
    "level": "info",
    "event": "attempt_ended",
    "eventId": "evt_1",
    "deliveryId": "dlv_1",
    "webhookId": "wh_1",
    "teamId": "team_1",
    "attempt": 1,
    "outcome": "http_error",
    "status": 503,
    "durationMs": 12,
    "error": "The receiver answered 503",
}
NEW = {
    **OLD,
    "timestamp": "2025-07-15T11:00:00.000Z",
    "deliveryId": "dlv_2",
    "eventId": "evt_2",
    "outcome": "delivered",
}
DISABLED = {**NEW, "level": "warning", "event": "webhook_disabled", "webhookId": "wh_2", "teamId": "team_2"}
RECORDS = (OLD, NEW, DISABLED)
STRANGER = "Started kakiyo-webhooks.service."


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    file = tmp_path / "daemon.telemetry.log"
    file.write_text("".join(f"{line}\n" for line in (STRANGER, *map(_line, RECORDS))))
    return file


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ("--webhook wh_1", (OLD, NEW)),
        ("--team team_2", (DISABLED,)),
        ("--delivery dlv_1", (OLD,)),
        ("--event-id evt_2", (NEW, DISABLED)),
        ("--name attempt_ended", (OLD, NEW)),
        ("--level warning", (DISABLED,)),
        ("--level debug", RECORDS),
        ("--since 2025-07-15T10:30:00Z", (NEW, DISABLED)),
        ("--webhook wh_1 --event-id evt_2", (NEW,)),
        ("--webhook wh_9", ()),
    ],
)
def test_filters_keep_only_what_matches_all_of_them(run: Any, log_file: Path, filters: str, wanted: Any) -> None:
    ended = run("logs", str(log_file), "--json", *filters.split(" "))
    assert (ended.code, ended.out.splitlines()) == (0, [*map(_line, wanted)])


def test_with_json_lines_are_unchanged_and_strange_lines_pass_through(run: Any, log_file: Path) -> None:
    assert run("logs", str(log_file), "--json").out == log_file.read_text()


def test_a_delivery_is_followed_from_the_acceptance_of_its_event(run: Any, tmp_path: Path) -> None:
    accepted = {"timestamp": "2025-07-15T10:30:00.000Z", "level": "info", "event": "event_accepted"}
    lines = [{**accepted, "deliveryIds": ids} for ids in (["dlv_1", "dlv_2"], ["dlv_3"], [])]
    (tmp_path / "log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run("logs", str(tmp_path / "log"), "--delivery", "dlv_2", "--json")
    assert [json.loads(line)["deliveryIds"] for line in result.out.splitlines()] == [["dlv_1", "dlv_2"]]


def test_lines_are_readable_without_json(run: Any, log_file: Path) -> None:
    lines = run("logs", str(log_file)).out.splitlines()
    assert lines[0] == STRANGER
    assert lines[1].startswith("2025-07-15T10:00:00.000Z info    attempt_ended")
    assert "deliveryId=dlv_1" in lines[1]
    assert 'error="The receiver answered 503"' in lines[1]


def test_a_traceback_stands_below_its_line(run: Any, tmp_path: Path) -> None:
    crash = {**OLD, "event": "actor_restarted", "traceback": "Traceback:\n  boom\n"}
    (tmp_path / "log").write_text(_line(crash) + "\n")
    assert run("logs", str(tmp_path / "log")).out.splitlines()[1:] == ["Traceback:", "  boom"]


def test_a_pipe_is_read_from_standard_input(run: Any) -> None:
    text = f"{_line(OLD)}\n{_line(DISABLED)}\n".encode()
    assert run("logs", "--level", "warning", "--json", stdin=text).out == _line(DISABLED) + "\n"
    assert run("logs", "-", "--level", "warning", "--json", stdin=text).out == _line(DISABLED) + "\n"


def test_lines_that_only_look_like_json_do_no_harm(run: Any) -> None:
    strange = b'{oops\n[1]\n{"level": 7, "timestamp": 3}\n\xff\xfe\n'
    assert run("logs", stdin=strange).code == 0
    assert run("logs", "--level", "info", "--since", "1h", stdin=strange).out == ""


def test_a_log_file_that_is_missing_is_wrong_usage(run: Any) -> None:
    assert run("logs", "/does/not/exist").code == 2


def _following(file: Path) -> AbstractContextManager[ForkedCommand]:
    return running_command("logs", str(file), "--follow", "--json")


def _next_line(process: ForkedCommand) -> str:
    return process.stdout.readline().rstrip("\n")


def test_following_goes_on_with_what_is_written_later(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("one\n")
    with _following(file) as process, file.open("a") as log:
        assert _next_line(process) == "one"
        log.write("tw")
        log.flush()
        time.sleep(0.5)  # in another process: what is looked at meanwhile is a line that is not complete
        log.write("o\n")
        log.flush()
        assert _next_line(process) == "two"


def test_following_goes_on_after_a_rotation_and_misses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("one\n")
    with _following(file) as process, file.open("a") as log:
        assert _next_line(process) == "one"
        file.rename(tmp_path / "log.1")
        log.write("late\n")
        log.flush()
        assert _next_line(process) == "late"
        file.write_text("new\n")
        assert _next_line(process) == "new"


def test_following_goes_on_after_a_truncation(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("a long first line\n")
    with _following(file) as process:
        assert _next_line(process) == "a long first line"
        os.truncate(file, 0)
        time.sleep(0.5)  # in another process: a file that has grown back in between looks untouched
        with file.open("a") as log:
            log.write("new\n")
        assert _next_line(process) == "new"


def test_ctrl_c_ends_following_quietly(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("one\n")
    with _following(file) as process:
        assert _next_line(process) == "one"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("line\n" * 100_000)
    with _following(file) as process:
        assert _next_line(process) == "line"
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def _fake_journalctl(directory: Path, script: str) -> dict[str, str]:
    program = directory / "journalctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def _run_on_a_terminal(*arguments: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    controller, terminal = os.openpty()
    try:
        return run_command("logs", *arguments, stdin=terminal, environment=environment)
    finally:
        os.close(controller)
        os.close(terminal)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], "--unit kakiyo-webhooks --output cat --no-pager --quiet"),
        (["-f", "--unit", "other"], "--unit other --output cat --no-pager --quiet --follow --no-tail"),
        (
            ["--delivery", "dlv_1", "--level", "warning", "--since", "2025-07-15T10:30:00Z"],
            "--unit kakiyo-webhooks --output cat --no-pager --quiet --since=@1752575400.000000 --priority=4 "
            "DELIVERY_ID=dlv_1",
        ),
    ],
)
def test_with_a_terminal_and_no_file_the_journal_is_asked(tmp_path: Path, options: list[str], asked: str) -> None:
    ended = _run_on_a_terminal(*options, environment=_fake_journalctl(tmp_path, 'echo "$@" >&2'))
    assert (ended.returncode, ended.stderr) == (0, f"{asked}\n")


def test_a_journal_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    ended = _run_on_a_terminal(environment=_fake_journalctl(tmp_path, "echo no access >&2; exit 1"))
    assert ended.returncode == 2
    assert ended.stderr == "no access\njournalctl could not read the journal of kakiyo-webhooks: see its words above.\n"


def test_a_machine_without_a_journal_is_told_to_name_a_file(tmp_path: Path) -> None:
    ended = _run_on_a_terminal(environment={"PATH": str(tmp_path)})
    assert ended.returncode == 2
    assert "name a log file" in ended.stderr
