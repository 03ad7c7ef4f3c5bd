"""What commands draw for people, with Rich: apart, since it takes longer to import than what scripts read."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.cli.output import quiet_when_reader_leaves
from daemon.domain.printable import printable

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


def dimmed(text: str) -> Text:
    """Return text beside the matter, nothing in it taken as markup."""
    return Text(text, style="bright_black")


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
