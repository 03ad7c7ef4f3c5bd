"""How lines of the log look to a person."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from daemon.cli.log_filter import LogFilter, parse_record
from daemon.cli.output import quiet_when_reader_leaves
from daemon.domain.printable import printable, printable_json

_LEVEL_STYLES = {"debug": "bright_black", "info": "cyan", "warning": "yellow", "error": "red", "critical": "bold red"}
_OUTCOME_STYLES = {"delivered": "green"}
_AT_THE_FRONT = ("timestamp", "level", "event")
_BELOW = ("traceback", "exception", "stack")


def print_lines(lines: Iterable[str], chosen: LogFilter, as_json: bool) -> None:
    """Print the lines that pass, each at once: readable, or unchanged with `as_json`.

    Lines that are no JSON pass through unchanged where nothing is filtered.
    """
    console = Console(highlight=False, soft_wrap=True)
    with quiet_when_reader_leaves():
        for line in lines:
            record = parse_record(line)
            if chosen.passes(record):
                print(_shown(line, record, console=console, as_json=as_json), flush=True)


def _shown(line: str, record: Mapping[str, Any] | None, console: Console, as_json: bool) -> str:
    if record is None:
        return printable(line, keep="\t")
    return printable_json(line) if as_json else _rendered(console, record)


def _rendered(console: Console, record: Mapping[str, Any]) -> str:
    with console.capture() as captured:
        console.print(readable(record), end="")
    return captured.get()


def readable(record: Mapping[str, Any]) -> Text:
    """Return a record as `time level event  name=value …`, with a traceback below it."""
    level = str(record.get("level", ""))
    line = Text()
    line.append(f"{printable(str(record.get('timestamp', '')))} ", style="bright_black")
    line.append(f"{printable(level):<8}", style=_LEVEL_STYLES.get(level, ""))
    line.append(f"{printable(str(record.get('event', ''))):<20}", style="bold")
    for name, value in record.items():
        if name not in _AT_THE_FRONT and name not in _BELOW and value is not None:
            line.append(f" {printable(name)}=", style="bright_black")
            line.append(_value(value), style=_style(name, value))
    for name in _BELOW:
        if record.get(name):
            line.append("\n" + printable(str(record[name]), keep="\n\t").rstrip(), style="red")
    return line


def _value(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value:
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))


def _style(name: str, value: Any) -> str:
    if name == "outcome":
        return _OUTCOME_STYLES.get(str(value), "red")
    return "red" if name == "error" else ""
