"""The structured log: one line per happening, on stderr (contract "Configuration", `[log]`).

What may be logged stands in `log_events`; what a line looks like stands here.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from daemon.clock import NowMs, wall_clock_ms
from daemon.config import LogSettings
from daemon.journal import JournalLogger, journal_entry, stderr_is_the_journal
from daemon.log_events import LOG_EVENTS
from daemon.repetitions import Repetitions

_LEVELS = ("debug", "info", "warning", "error")


class UndocumentedLogEventError(Exception):
    """A line was logged that `log_events` does not describe; only `strict` loggers raise it."""


def make_logger(
    settings: LogSettings,
    file: BinaryIO | None = None,
    *,
    now_ms: NowMs = wall_clock_ms,
    strict: bool = False,
    repetitions: Repetitions | None = None,
    level: Callable[[], str] | None = None,
) -> FilteringBoundLogger:
    """Return the daemon's logger, writing to `file` (default: stderr, as bytes).

    With format `json`, and with `auto` unless `file` is a terminal, each line is one JSON object: `timestamp` (RFC
    3339 UTC, milliseconds, `Z`), `level`, `event`, then the fields in the order given. `console` is for people, in
    colour on a terminal unless NO_COLOR is set. `exc_info` becomes the field `traceback`. Logging never raises when
    the file cannot be written: such a line is lost. Where stderr is systemd's journal, lines that would be JSON go to
    it as entries with fields and priorities (`journal`). `repetitions` drops warnings that are repeated; `level()` is
    asked for each line, if it is given. A `strict` logger (for tests) raises UndocumentedLogEventError on an event,
    level or field that `log_events` does not list.
    """
    target = sys.stderr.buffer if file is None else file
    as_json = settings.format == "json" or (settings.format == "auto" and not target.isatty())
    to_journal = as_json and file is None and stderr_is_the_journal()
    processors: list[Processor] = [_TimestampLevelEvent(now_ms), _render_traceback]
    if repetitions is not None:
        processors.insert(0, repetitions)
    if level is not None:
        processors.insert(0, partial(_drop_below, level))
    if strict:
        processors.append(_refuse_undocumented)
    if to_journal:
        processors.append(_to_journal)
    else:
        in_colour = target.isatty() and "NO_COLOR" not in os.environ
        processors.extend([_to_json] if as_json else _console(in_colour))
    lines = structlog.BytesLogger(cast(BinaryIO, _Lossy(target)))
    lazy = structlog.wrap_logger(
        JournalLogger(lambda count: lazy.warning("lines_lost", count=count)) if to_journal else lines,
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(settings.level if level is None else "debug"),
        context_class=dict,
    )
    return cast(FilteringBoundLogger, lazy.bind())  # bound once: no assembling per line


def _drop_below(level: Callable[[], str], logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    if _LEVELS.index(method) < _LEVELS.index(level()):
        raise structlog.DropEvent
    return fields


class _Lossy:
    """A file that loses what it cannot write: a full disk or a closed pipe must not stop a delivery."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> int:
        try:
            return self._file.write(line)
        except (OSError, ValueError):
            return 0

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            return


class _TimestampLevelEvent:
    """Puts `timestamp`, `level` and `event` in front of the fields."""

    def __init__(self, now_ms: NowMs) -> None:
        self._now_ms = now_ms
        self._second, self._shown = -1, ""

    def __call__(self, logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
        return {"timestamp": self._timestamp(), "level": method, "event": fields.pop("event", ""), **fields}

    def _timestamp(self) -> str:
        second, ms = divmod(self._now_ms(), 1000)
        if second != self._second:  # lines come in their hundreds a second
            self._second, self._shown = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._shown}.{ms:03d}Z"


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
        raise UndocumentedLogEventError(f"{fields['event']!r} at level {method} is not in daemon/log_events.py")
    if unknown := fields.keys() - {"timestamp", "level", "event", *documented.fields}:
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
        shown["exception"] = "\n".join(map(_printable, fields["traceback"].splitlines()))
    return shown


def _printable(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)


def _encode(logger: WrappedLogger, method: str, line: Mapping[str, Any] | str) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")
