"""What commands draw for people, with Rich: apart, since it takes longer to import than what scripts read."""

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.cli.output import quiet_when_reader_leaves
from daemon.domain.printable import printable

_UNFOLDED = 2_000
_GAP = 2
_TIME_OF_DAY = slice(11, 19)  # of an RFC 3339 time
_LEAST_OF_A_TEXT = 12
# What may be cut, since the beginning tells enough; and what is left out before the rest, from the right.
_TEXTS = frozenset(
    {"event", "type", "events", "name", "url", "description", "note", "notification emails", "result", "ended because"}
    | {"key", "who", "changes"}
)
_LEFT_OUT_FIRST = ("ended", "host", "version", "number", "since", "attempts", "created", "webhook", "max webhooks")
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
    console = Console(highlight=False, width=_width())
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


def list_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a list whose rows take one line each, as wide as the terminal: long texts are cut, then columns left out.

    Ids, times and numbers are whole or not there at all, and what was left out is named. Without a terminal all is
    there.
    """
    made = [[cell(value) for value in row] for row in rows]
    natural = {name: _widest(name, [row[place] for row in made]) for place, name in enumerate(columns)}
    least = {name: _least(name, wide, is_first=name == columns[0]) for name, wide in natural.items()}
    kept = _with_room(least)
    widths = _shared_out({name: natural[name] for name in kept}, least)
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left", caption_style="bright_black")
    for name in kept:
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=widths[name])
    for row in made:
        table.add_row(*(value for name, value in zip(columns, row, strict=True) if name in kept))
    if left_out := [name for name in columns if name not in kept]:
        table.caption = f"No room for: {', '.join(left_out)} (a wider terminal, a pipe and --json have all)"
    return table


def _widest(name: str, cells: Sequence[Text]) -> int:
    return max(len(name), *(line.cell_len for text in cells for line in text.split()), 0)


def _with_room(least: Mapping[str, int]) -> list[str]:
    """Return the columns that fit, in their order: the first always does."""
    kept = dict(least)
    while len(kept) > 1 and _total(kept) > _width():
        _, *others = kept
        del kept[next((name for name in _LEFT_OUT_FIRST if name in others), others[-1])]
    return list(kept)


def _shared_out(natural: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    """Return how wide each column is: the widest texts give up what is too much."""
    widths = dict(natural)
    while _total(widths) > _width():
        cut = max(widths, key=lambda name: widths[name] - least[name])
        if widths[cut] == least[cut]:
            break
        widths[cut] -= 1
    return widths


def _least(name: str, natural: int, *, is_first: bool) -> int:
    return min(natural, _LEAST_OF_A_TEXT) if name in _TEXTS and not is_first else natural


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNFOLDED


def table_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table whose cells take as many lines as they need; the first column is never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def line_of(values: Sequence[str], style: str) -> Text:
    """Return values beside each other, the second in the style of a status: a line of something that goes on.

    On a terminal it is cut where that ends, and of the first, a time, there is the time of day.
    """
    shown = list(map(cell, values))
    shown[1].stylize(_STATUS_STYLES.get(style, ""))
    if not sys.stdout.isatty():
        return Text("  ").join(shown)
    line = Text("  ").join([Text(values[0][_TIME_OF_DAY]), *shown[1:]])
    line.truncate(_width(), overflow="ellipsis")
    return line


def record_of(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return one thing's fields, one below the other."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, cell(value))
    return table
