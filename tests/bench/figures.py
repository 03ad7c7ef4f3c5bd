"""What the bench measured: figures, as a table and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

_MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `met` is None where the issue sets no goal.

    `ratio` is against the floor of the same run, or against another revision.
    """

    measure: str
    value: float
    unit: str
    note: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


def table_of(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table for the terminal."""
    table = Table("measure", "value", "ratio", "goal", "", "note")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        value = f"{shown(figure.value)} {figure.unit}"
        table.add_row(figure.measure, value, ratio, figure.goal, _MARKS[figure.met], figure.note)
    for column in table.columns[:3]:
        column.no_wrap = True
    for column in table.columns[1:3]:
        column.justify = "right"
    return table


def shown(value: float) -> str:
    """Return the value with three significant digits or more, and thousands apart."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def write_json(path: Path, machine: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """Write the machine and the figures, in the order in which they were measured."""
    document = {"machine": machine, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
