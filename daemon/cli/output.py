"""What commands print: tables for people, JSON for scripts.

A reader that leaves (`| head`) ends the command quietly.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.cli.exits import CommandError, ExitCode
from daemon.domain.printable import printable, printable_json

_UNFOLDED = 2_000
_STATUS_STYLES = {
    "succeeded": "green",
    "delivered": "green",
    "active": "green",
    "pending": "yellow",
    "failed": "red",
    "disabled": "red",
    "cancelled": "bright_black",
}


@contextmanager
def quiet_when_reader_leaves(not_shown: str | None = None) -> Iterator[None]:
    """End the command with 0 and no message when stdout was closed by whoever read it.

    Any other failure to write raises CommandError (NOT_SHOWN), and so does this one when there is something that is
    shown only once: `not_shown` says what it is and what to do.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes stdout once more at its exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError) and not_shown is None:
            raise typer.Exit(ExitCode.DONE) from None
        what = not_shown or "It is done, but not all of the output was written: see to it that it can be."
        raise CommandError(
            f"Standard output cannot be written ({error.strerror}). {what}", ExitCode.NOT_SHOWN
        ) from None


def print_line(line: str) -> None:
    """Print a line for people, at once."""
    with quiet_when_reader_leaves():
        print(printable(line, keep="\n\t"), flush=True)


def print_json_text(text: str, not_shown: str | None = None) -> None:
    """Print a JSON text, with terminal control characters escaped. For `not_shown` see `quiet_when_reader_leaves`."""
    with quiet_when_reader_leaves(not_shown):
        print(printable_json(text), flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line, for what is not the API's own text."""
    print_json_text(json.dumps(value, ensure_ascii=False))


def render(*parts: Any, not_shown: str | None = None) -> None:
    """Print Rich renderables, and strings that are ours (with markup), on stdout.

    For `not_shown` see `quiet_when_reader_leaves`.
    """
    # Without a terminal nothing is folded: a line is a row, for grep and awk.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
    with quiet_when_reader_leaves(not_shown):
        with console.capture() as captured:  # which flushes stdout, too
            console.print(*parts)
        print(captured.get(), end="", flush=True)


def cell(value: Any) -> Text:
    """Return one table cell: a dash for nothing, a colour for a status, nothing in it taken as markup."""
    if value is None or value == "" or value == []:
        return Text("-", style="bright_black")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Text(printable(text, keep="\n\t"), style=_STATUS_STYLES.get(text, ""))


def table_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table whose first column is never cut, so that ids can be copied."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def record_of(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return one thing's fields, one below the other."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, cell(value))
    return table
