"""The short way of a line at level info: the same bytes as structlog's processors make, and the same silence."""

import json
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any, Literal

import pytest
from structlog.typing import FilteringBoundLogger

from daemon.config.settings import LogSettings
from daemon.domain.model import OutcomeKind
from daemon.telemetry.log import LogSink, info_each, make_logger, make_message_logger
from daemon.telemetry.log_buffer import LogBuffer

NOON = 1_752_575_398_042


class Lines:
    """A sink, and what came out of it."""

    def __init__(self, *, to_journal: bool) -> None:
        self.written: list[bytes] = []
        self._buffer = LogBuffer(self._write, int)
        self.sink = LogSink(self._buffer, as_json=True, to_journal=to_journal, in_colour=False)

    def _write(self, entries: Sequence[bytes]) -> int:
        self.written.extend(entries)
        return 0

    def all(self) -> list[bytes]:
        assert self._buffer.close(5)
        return self.written


def logger(lines: Lines, level: Literal["info", "warning"] = "info") -> FilteringBoundLogger:
    return make_logger(LogSettings(level=level), lines.sink, now_ms=lambda: NOON)


FIELDS: list[dict[str, Any]] = [
    {"mailId": "mail_1", "recipients": 2},
    {"mailId": 'a"b\nc\u202e', "error": None},
    {"outcome": OutcomeKind.DELIVERED, "durationMs": 2**70},
    {"error": "\ud800", "deliveryIds": ["dlv_1", "dlv_2"]},
    {"error": ValueError("no JSON")},
    {},
]


@pytest.mark.parametrize("to_journal", [False, True])
@pytest.mark.parametrize("bound", [{}, {"webhookId": "wh_1", "teamId": "team_1"}])
def test_a_line_has_the_bytes_that_the_processors_make(to_journal: bool, bound: dict[str, Any]) -> None:
    quick, whole = Lines(to_journal=to_journal), Lines(to_journal=to_journal)
    for fields in FIELDS:
        logger(quick).bind(**bound).info("mail_sent", **fields)
        by_processors = logger(whole).bind(**bound)
        type(by_processors).__mro__[1].info(by_processors, "mail_sent", **fields)  # type: ignore[attr-defined]  # structlog's
    assert quick.all() == whole.all()
    assert len(quick.written) == len(FIELDS)


@pytest.mark.parametrize("to_journal", [False, True])
def test_many_lines_at_once_have_the_bytes_that_the_processors_make(to_journal: bool) -> None:
    quick, whole = Lines(to_journal=to_journal), Lines(to_journal=to_journal)
    info_each(logger(quick).bind(teamId="team_1"), "mail_sent", iter(FIELDS))
    by_processors = logger(whole).bind(teamId="team_1")
    for fields in FIELDS:
        type(by_processors).__mro__[1].info(by_processors, "mail_sent", **fields)  # type: ignore[attr-defined]  # structlog's
    assert quick.all() == whole.all()
    assert len(quick.written) == len(FIELDS)


def test_many_lines_below_the_level_are_not_even_asked_for() -> None:
    lines, asked = Lines(to_journal=False), iter(FIELDS)
    info_each(logger(lines, level="warning"), "mail_sent", asked)
    assert lines.all() == []
    assert list(asked) == FIELDS


def test_many_lines_through_a_logger_without_the_short_way_are_as_many_lines() -> None:
    file = BytesIO()
    info_each(make_logger(LogSettings(), file), "mail_sent", [{"mailId": "mail_1"}, {"mailId": "mail_2"}])
    assert [json.loads(line)["mailId"] for line in file.getvalue().splitlines()] == ["mail_1", "mail_2"]


def test_a_level_that_changes_counts_for_the_next_line() -> None:
    lines, levels = Lines(to_journal=False), iter(("warning", "error", "info", "debug"))
    log = make_logger(LogSettings(), lines.sink, now_ms=lambda: NOON, level=lambda: next(levels))
    for number in range(4):
        log.info("mail_sent", recipients=number)
    assert [line.partition(b"recipients")[2] for line in lines.all()] == [b'":2}', b'":3}']


def test_a_level_that_is_fixed_counts() -> None:
    lines = Lines(to_journal=False)
    log = logger(lines, level="warning")
    log.info("mail_sent")
    log.warning("mail_deferred")
    assert [b"mail_deferred" in line for line in lines.all()] == [True]


def test_a_traceback_and_positional_arguments_take_the_long_way() -> None:
    lines = Lines(to_journal=False)
    log = logger(lines)
    log.info("mail_sent", exc_info=ValueError("broken"))
    log.info("mail_%s", "sent")
    with_traceback, formatted = lines.all()
    assert b"ValueError: broken" in with_traceback
    assert b'"event":"mail_sent"' in formatted


@pytest.mark.parametrize("to_journal", [False, True])
def test_each_line_of_one_of_several_nodes_names_it(to_journal: bool) -> None:
    lines = Lines(to_journal=to_journal)
    lines.sink = replace(lines.sink, node="hooks-1")
    logger(lines).info("mail_sent", recipients=2)
    logger(lines).bind(webhookId="wh_1").warning("log_lines_dropped", count=1)
    info_each(logger(lines), "mail_sent", [{"recipients": 1}, {"recipients": 2}])
    make_message_logger(lines.sink).warning("python_message", text="x")
    written = lines.all()
    assert len(written) == 5
    named = b"NODE=hooks-1" if to_journal else b'"node":"hooks-1"'
    assert all(named in line for line in written)
