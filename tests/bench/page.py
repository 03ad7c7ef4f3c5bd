"""The table of figures in docs/performance.md, made from what `make bench ARGS="--json FILE"` wrote.

python -m tests.bench.page FILE
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, shown

_MARKS = {True: "met", False: "**missed**", None: ""}


def markdown_of(document: dict[str, Any]) -> str:
    """Return the machine as a sentence and the figures as a table."""
    machine = document["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    measured_on = (
        f"Measured on {machine['date'][:10]}: {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, "
        f"SQLite {machine['sqlite']}, {libraries}."
    )
    head = "| measure | value | ratio | goal | |\n|---|---:|---:|---|---|\n"
    return f"{measured_on}\n\n{head}" + "".join(_line(Figure(**figure)) for figure in document["figures"])


def _line(figure: Figure) -> str:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    cells = (figure.measure, f"{shown(figure.value)} {figure.unit}", ratio, figure.goal, _MARKS[figure.met])
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown_of(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
