"""docs/faults.md, made from the tests: `python -m tests.support.attack_table` writes it.

A test has a row for each of its markers `@pytest.mark.fault(what_happens, what_the_daemon_does, cases=…)`. `cases` says
how much it tries, where that is not the number of its parameters.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
COMMAND = ".venv/bin/python -m tests.support.attack_table"
_SECTIONS = {"Faults": "tests/faults/", "Attacks": "tests/security/", "Elsewhere": "tests/"}
_MARKER = "pytest.mark.fault("
_HEAD = """\
# Faults and attacks

What goes wrong in the world, what the daemon does then, and the test that shows it. `make soak` runs the long versions.

{rows} faults and attacks, {cases} cases in all. Made from the tests by `{command}`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault or attack, what the daemon does about it, and the test: its file, its name, and how much it tries."""

    what_happens: str
    answer: str
    path: str
    test: str
    cases: int


class _Collector:
    """A pytest plugin that keeps the collected tests before any are deselected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        self.items.extend(items)


def collect_rows() -> list[Row]:
    """Return the rows of all tests, in the order of the files and of the tests in them.

    Raises SystemExit when the tests cannot be collected, ValueError for a marker that is no row.
    """
    collector = _Collector()
    # Only the files that have rows: collecting all takes ten times as long.
    files = [str(file) for file in sorted((ROOT / "tests").rglob("test_*.py")) if _MARKER in file.read_text("utf-8")]
    arguments = ["--collect-only", "-qq", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
    with redirect_stdout(sys.stderr):
        code = pytest.main([f"--rootdir={ROOT}", *arguments], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the tests could not be collected (pytest ended with {code!r})")
    return list(rows_of(collector.items))


def rows_of(items: Iterable[pytest.Item]) -> Iterator[Row]:
    """Yield the rows of these tests, a parametrised one once."""
    items = list(items)
    parameters = Counter(_place(item) for item in items)
    for (path, name), item in {_place(item): item for item in items}.items():
        for marker in item.iter_markers("fault"):
            yield _row(marker, path, name, parameters[path, name])


def _place(item: pytest.Item) -> tuple[str, str]:
    name = item.originalname if isinstance(item, pytest.Function) else item.name
    return item.path.relative_to(ROOT).as_posix(), name


def _row(marker: pytest.Mark, path: str, name: str, parameters: int) -> Row:
    match marker.args, marker.kwargs:
        case (str(what_happens), str(answer)), {} if what_happens and answer and set(marker.kwargs) <= {"cases"}:
            return Row(what_happens, answer, path, name, marker.kwargs.get("cases", parameters))
    raise ValueError(f"{path}: {name}: expected fault(what_happens, what_the_daemon_does, cases=…)")


def render(rows: Sequence[Row]) -> str:
    """Return the whole page."""
    head = _HEAD.format(command=COMMAND, rows=len(rows), cases=f"{sum(row.cases for row in rows):,}")
    sections = {title: [row for row in rows if _section(row) == title] for title in _SECTIONS}
    tables = "\n\n".join(_table(title, found) for title, found in sections.items() if found)
    return f"{head}\n\n{tables}\n"


def _section(row: Row) -> str:
    return next(title for title, place in _SECTIONS.items() if row.path.startswith(place))


def _table(title: str, rows: Sequence[Row]) -> str:
    summary = f"<details><summary>{title}: {len(rows)}</summary>"
    head = [summary, "", "| what happens | what the daemon does | the test | cases |", "|---|---|---|---|"]
    return "\n".join([*head, *map(_line, rows), "", "</details>"])


def _line(row: Row) -> str:
    promise = row.test.removeprefix("test_").replace("_", " ")
    cells = (_sentence(row.what_happens), _sentence(row.answer), f"[{promise}](../{row.path})", f"{row.cases:,}")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def main(arguments: Sequence[str]) -> None:
    """Write the page, or print it."""
    os.chdir(ROOT)  # where pytest finds its configuration and the tests their packages
    page = render(collect_rows())
    if "--print" in arguments:
        sys.stdout.write(page)
        return
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
