import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.typing import FilteringBoundLogger

from daemon.config.settings import LogSettings
from daemon.telemetry.log import UndocumentedLogEventError, make_logger
from daemon.telemetry.log_events import FIELDS, LOG_EVENTS

NOON = 1_752_575_398_042


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def logger(file: io.BytesIO, *, strict: bool = False, **settings: Any) -> FilteringBoundLogger:
    return make_logger(LogSettings(**settings), file, now_ms=lambda: NOON, strict=strict)


def test_a_line_is_one_json_object_that_begins_with_timestamp_level_and_event() -> None:
    file = io.BytesIO()
    logger(file, format="json").info("mail_sent", mailId="mail_1", recipients=2)
    assert file.getvalue() == (
        b'{"timestamp":"2025-07-15T10:29:58.042Z","level":"info","event":"mail_sent","mailId":"mail_1","recipients":2}\n'
    )


def test_bound_fields_are_part_of_every_line() -> None:
    file = io.BytesIO()
    log = logger(file).bind(webhookId="wh_1")
    log.info("webhook_enabled", teamId="team_1")
    assert json.loads(file.getvalue())["webhookId"] == "wh_1"


def test_a_newline_in_a_value_cannot_forge_a_line() -> None:
    file = io.BytesIO()
    logger(file).info("mail_sent", error='x\n{"event":"daemon_stopped"}')
    assert file.getvalue().count(b"\n") == 1


def test_lines_below_the_level_are_not_written() -> None:
    file = io.BytesIO()
    log = logger(file, level="warning")
    log.info("mail_sent")
    log.warning("mail_deferred")
    assert [json.loads(line)["event"] for line in file.getvalue().splitlines()] == ["mail_deferred"]


def test_a_traceback_is_logged_without_the_values_of_variables() -> None:
    file = io.BytesIO()
    secret = "-".join(["whsec", "do", "not", "show"])
    try:
        _fail_with(secret)
    except ZeroDivisionError as error:
        logger(file).error("daemon_failed", exc_info=error)
    line = json.loads(file.getvalue())
    assert "ZeroDivisionError" in line["traceback"]
    assert "exc_info" not in line
    assert secret not in line["traceback"]


def _fail_with(secret: str) -> float:
    return len(secret) / 0


@pytest.mark.parametrize("value", ["\ud800", 2**70, Path("/x"), b"bytes", {1: "x"}])
def test_a_value_that_json_cannot_hold_is_logged_all_the_same(value: Any) -> None:
    file = io.BytesIO()
    logger(file).info("mail_sent", error=value)
    assert json.loads(file.getvalue())["event"] == "mail_sent"


def test_auto_is_for_people_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    logger(file).info("mail_sent", mailId="mail_1")
    assert b"\x1b[" in file.getvalue()
    assert b"mail_1" in file.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    logger(file).info("mail_sent", mailId="mail_1")
    assert b"\x1b[" not in file.getvalue()


def test_auto_is_json_elsewhere() -> None:
    file = io.BytesIO()
    logger(file, format="auto").info("mail_sent")
    assert json.loads(file.getvalue())


def test_json_stays_json_on_a_terminal() -> None:
    file = Terminal()
    logger(file, format="json").info("mail_sent")
    assert json.loads(file.getvalue())


def test_a_receiver_cannot_send_control_characters_to_the_operators_terminal() -> None:
    file = io.BytesIO()
    logger(file, format="console").info("attempt_ended", error="\x1b[2J\x07", outcome="http_error")
    assert b"\x1b" not in file.getvalue()
    assert b"\\x1b[2J" in file.getvalue()


def test_the_console_shows_a_traceback_over_several_lines() -> None:
    file = io.BytesIO()
    logger(file, format="console").error("daemon_failed", exc_info=ValueError("broken"))
    assert file.getvalue().rstrip().splitlines()[-1] == b"ValueError: broken"


def test_a_strict_logger_refuses_an_undocumented_event() -> None:
    with pytest.raises(UndocumentedLogEventError, match="no_such_event"):
        logger(io.BytesIO(), strict=True).info("no_such_event")


def test_a_strict_logger_refuses_an_undocumented_field() -> None:
    with pytest.raises(UndocumentedLogEventError, match="payload"):
        logger(io.BytesIO(), strict=True).info("mail_sent", payload="{}")


def test_a_strict_logger_refuses_another_level_than_documented() -> None:
    with pytest.raises(UndocumentedLogEventError, match="mail_sent"):
        logger(io.BytesIO(), strict=True).error("mail_sent")


def test_a_strict_logger_takes_what_is_documented() -> None:
    file = io.BytesIO()
    logger(file, strict=True).info("mail_sent", mailId="mail_1")
    assert json.loads(file.getvalue())["mailId"] == "mail_1"


def test_every_field_of_every_event_is_explained_and_no_other() -> None:
    used = {field for event in LOG_EVENTS.values() for field in event.fields}
    assert used == FIELDS.keys()


ROOT = Path(__file__).parents[2]


def logging_calls() -> Iterator[tuple[str, str, str, set[str]]]:
    """Every `log.<level>("event", field=…)` in the source: where, level, event, fields."""
    for file in sorted((*ROOT.glob("daemon/**/*.py"), *ROOT.glob("api/**/*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Name(id="log") | ast.Attribute(attr="log" | "_log"),
                        attr="debug" | "info" | "warning" | "error" as level,
                    ),
                    args=[ast.Constant(value=str(event))],
                    keywords=keywords,
                ):
                    fields = {keyword.arg for keyword in keywords if keyword.arg}
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", level, event, fields
                case ast.Call(func=ast.Name(id="info_each"), args=[_, ast.Constant(value=str(event)), _]):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", "info", event, set()


def test_everything_that_the_source_logs_is_documented() -> None:
    calls = list(logging_calls())
    assert len(calls) > 10
    for where, level, event, fields in calls:
        assert event in LOG_EVENTS, where
        assert LOG_EVENTS[event].level == level, where
        assert fields - {"exc_info"} <= set(LOG_EVENTS[event].fields), where
        assert "exc_info" not in fields or "traceback" in LOG_EVENTS[event].fields, where
