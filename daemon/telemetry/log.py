"""The structured log: one line per event, on stderr (contract "Configuration", `[log]`).

`log_events` defines what may be logged; this module defines how a line looks.
"""

import json
import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from daemon.config.settings import LogSettings
from daemon.domain.clock import NowMs, wall_clock_ms
from daemon.domain.printable import printable
from daemon.systemd.journal import JournalSocket, journal_entry, stderr_is_the_journal
from daemon.telemetry.log_buffer import LogBuffer, MessagesOutput
from daemon.telemetry.log_events import LOG_EVENTS
from daemon.telemetry.log_file import LogFile
from daemon.telemetry.log_throttle import LogThrottle

STDERR = 2
_LEVELS = ("debug", "info", "warning", "error")
_INFO_AND_BELOW = ("debug", "info")


class UndocumentedLogEventError(Exception):
    """A line was logged that `log_events` does not describe; only `strict` loggers raise it."""


@dataclass(frozen=True, slots=True)
class LogSink:
    """Where lines go: a buffer on its way to stderr or to systemd's journal. `node` is in each line, if it is set."""

    buffer: LogBuffer
    as_json: bool
    to_journal: bool
    in_colour: bool
    node: str = ""


def open_log_sink(settings: LogSettings, count_lost: Callable[[int], object], node: str = "") -> LogSink:
    """Return the sink behind stderr. Where that is systemd's journal, lines that would be JSON go to it as entries
    with fields and priorities (`journal`). `count_lost(count)` is called, from any thread, for lines that are lost.
    `node` is the name of this node if there may be several.
    """
    stderr = LogFile(STDERR)
    in_colour = os.isatty(STDERR) and "NO_COLOR" not in os.environ
    as_json = _is_json(settings, os.isatty(STDERR))
    to_journal = as_json and stderr_is_the_journal()
    return LogSink(
        LogBuffer(JournalSocket().write if to_journal else stderr.write, count_lost),
        as_json,
        to_journal=to_journal,
        in_colour=in_colour,
        node=node,
    )


def make_logger(
    settings: LogSettings,
    sink: BinaryIO | LogSink,
    *,
    now_ms: NowMs = wall_clock_ms,
    strict: bool = False,
    throttle: LogThrottle | None = None,
    level: Callable[[], str] | None = None,
) -> FilteringBoundLogger:
    """Return the daemon's logger, which writes to `sink`: at once to a file, or as a LogSink takes it.

    With format `json`, and with `auto` unless it is a terminal, each line is one JSON object: `timestamp` (RFC
    3339 UTC, milliseconds, `Z`), `level`, `event`, then the fields in the order given. `console` is for people, in
    colour on a terminal unless NO_COLOR is set. `exc_info` becomes the field `traceback`. `throttle` drops warnings
    that are repeated; `level()`, if given, is called for each line. A `strict` logger (for tests) raises
    UndocumentedLogEventError on an event, level or field that `log_events` does not list.
    """
    stamp = _TimestampLevelEvent(now_ms)
    rendering: list[Processor] = [stamp, _render_traceback]
    rendering += [_refuse_undocumented] if strict else []
    wrapper = _bound_logger(settings.level if level is None else "debug")
    output: WrappedLogger
    if isinstance(sink, LogSink):
        rendering += _rendering(sink)
        output = sink.buffer
        lost = _make_thread_logger(sink, sink.buffer, now_ms)
        sink.buffer.report_dropped = lambda count: lost.warning("log_lines_dropped", count=count)
        if sink.as_json and not strict:
            wrapper = _with_quick_info(wrapper, sink, now=stamp.now, level=level or (lambda: settings.level))
    else:
        rendering += _to_file(settings, sink)
        output = structlog.BytesLogger(sink)
    choosing: list[Processor] = [] if level is None else [partial(_drop_below, level)]
    choosing += [] if throttle is None else [throttle]
    lazy = structlog.wrap_logger(
        output,
        processors=[*choosing, *rendering],
        wrapper_class=wrapper,
        context_class=dict,
    )
    return cast(FilteringBoundLogger, lazy.bind(**_of_each_line(sink)))  # bound once: no assembling per line


def make_message_logger(sink: LogSink) -> FilteringBoundLogger:
    """Return a logger for what Python itself has to say, in whatever thread: it has a share of the sink's buffer."""
    return _make_thread_logger(sink, MessagesOutput(sink.buffer), wall_clock_ms)


def _make_thread_logger(sink: LogSink, output: WrappedLogger, now_ms: NowMs) -> FilteringBoundLogger:
    """Return a logger for threads outside the event loop: neither level nor throttle applies to it."""
    processors: list[Processor] = [_TimestampLevelEvent(now_ms), _render_traceback, *_rendering(sink)]
    lazy = structlog.wrap_logger(output, processors=processors, wrapper_class=_bound_logger("debug"))
    return cast(FilteringBoundLogger, lazy.bind(**_of_each_line(sink)))


def _of_each_line(sink: BinaryIO | LogSink) -> dict[str, str]:
    return {"node": sink.node} if isinstance(sink, LogSink) and sink.node else {}


def info_each(log: FilteringBoundLogger, event: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Log a line at level info for each of these fields, as `log.info(event, **fields)` would, in a third of the time.

    They are all of one moment. They have no `exc_info`, and are not asked for if nothing is logged at this level.
    """
    if isinstance(log, _QuickInfo):
        log.info_each(event, lines)
        return
    for fields in lines:
        log.info(event, **fields)


class _QuickInfo(ABC):
    """A logger that builds in one step the line at level info that the processors would build."""

    @abstractmethod
    def info_each(self, event: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Log these lines."""


def _bound_logger(level: str) -> type[FilteringBoundLogger]:
    return structlog.make_filtering_bound_logger(level)


def _with_quick_info(
    wrapper: type[FilteringBoundLogger], sink: LogSink, now: Callable[[], str], level: Callable[[], str]
) -> type[FilteringBoundLogger]:
    """Return the class with an `info` and an `info_each` that build a line in one step.

    There is one for each event and each attempt. The throttle does not apply: it only drops warnings and errors.
    """
    render, put_all = _to_journal if sink.to_journal else _to_json, sink.buffer.msg_all

    class Quick(wrapper, _QuickInfo):  # type: ignore[misc,valid-type]  # structlog makes its parent, depending on the level
        def info(self, event: str, *args: Any, **fields: Any) -> None:
            if args or "exc_info" in fields:
                super().info(event, *args, **fields)
            else:
                self.info_each(event, (fields,))

        def info_each(self, event: str, lines: Iterable[Mapping[str, Any]]) -> None:
            if level() in _INFO_AND_BELOW:
                start = {"timestamp": now(), "level": "info", "event": event, **self._context}
                put_all([render(None, "info", {**start, **fields}) for fields in lines])

    return Quick


def _is_json(settings: LogSettings, is_terminal: bool) -> bool:
    return settings.format == "json" or (settings.format == "auto" and not is_terminal)


def _rendering(sink: LogSink) -> list[Processor]:
    if sink.to_journal:
        return [_to_journal]
    return [_to_json] if sink.as_json else _console(sink.in_colour)


def _to_file(settings: LogSettings, file: BinaryIO) -> list[Processor]:
    if _is_json(settings, file.isatty()):
        return [_to_json]
    return _console(file.isatty() and "NO_COLOR" not in os.environ)


def _drop_below(level: Callable[[], str], logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    if _LEVELS.index(method) < _LEVELS.index(level()):
        raise structlog.DropEvent
    return fields


class _TimestampLevelEvent:
    """Puts `timestamp`, `level` and `event` in front of the fields."""

    def __init__(self, now_ms: NowMs) -> None:
        self._now_ms = now_ms
        self._last = (-1, "")  # one value, for more than one thread

    def __call__(self, logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
        return {"timestamp": self.now(), "level": method, "event": fields.pop("event", ""), **fields}

    def now(self) -> str:
        """Return the time, to the millisecond."""
        second, ms = divmod(self._now_ms(), 1000)
        last_second, shown = self._last
        if second != last_second:  # there are hundreds of lines a second
            shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._last = (second, shown)
        return f"{shown}.{ms:03d}Z"


def _render_traceback(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    exc_info = fields.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, BaseException):
        # Without the values of variables: they could hold secrets.
        fields["traceback"] = "".join(traceback.format_exception(error))
    return fields


def _refuse_undocumented(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    documented = LOG_EVENTS.get(fields["event"])
    if documented is None or documented.level != method:
        raise UndocumentedLogEventError(
            f"{fields['event']!r} at level {method} is not in daemon/telemetry/log_events.py"
        )
    if unknown := fields.keys() - {"timestamp", "level", "event", "node", *documented.fields}:
        raise UndocumentedLogEventError(f"{documented.name!r} has undocumented fields: {', '.join(sorted(unknown))}")
    return fields


def _to_json(logger: WrappedLogger, method: str, fields: EventDict) -> bytes:
    try:
        return orjson.dumps(fields, default=repr)
    except TypeError:  # lone surrogates and integers over 64 bits, which only the slow encoder takes
        return json.dumps(fields, default=repr).encode()


def _to_journal(logger: WrappedLogger, method: str, fields: EventDict) -> bytes:
    return journal_entry(fields, _to_json(logger, method, fields))


def _console(in_colour: bool) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=in_colour, sort_keys=False, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
    )
    return [_disarm, renderer, _encode]


def _disarm(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    """Escape control characters, which a receiver could use to rewrite the operator's terminal."""
    shown: dict[str, Any] = {name: _printable(value) for name, value in fields.items() if name != "traceback"}
    if "traceback" in fields:
        shown["exception"] = printable(fields["traceback"], keep="\n")
    return shown


def _printable(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _encode(logger: WrappedLogger, method: str, line: Mapping[str, Any] | str) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")
