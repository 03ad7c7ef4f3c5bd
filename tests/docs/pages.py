"""README and the pages under docs/, in parts: sections, code blocks, tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.docs.sources import ROOT

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of code."""

    language: str
    text: str


def read(path: str) -> str:
    """Return the text of a page; `path` is relative to the repository."""
    return (ROOT / path).read_text("utf-8")


def pages() -> list[str]:
    """Return the paths of all pages that people read: those at the root, and those of docs/."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(file.relative_to(ROOT).as_posix() for file in found)


def section(path: str, title: str) -> str:
    """Return what stands under this heading of the second level, down to the next one."""
    _, found, rest = read(path).partition(f"\n## {title}\n")
    assert found, f"{path} has no section {title!r}"
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def headings(text: str) -> list[str]:
    """Return the headings of a page, in order, without those in blocks of code."""
    return re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)


def blocks(text: str) -> list[Block]:
    """Return all blocks of code, in order."""
    return [Block(language, body) for language, body in _BLOCK.findall(text)]


def only_block(text: str, language: str) -> str:
    """Return the one block in this language."""
    [found] = [block.text for block in blocks(text) if block.language == language]
    return found


def table(text: str) -> list[list[str]]:
    """Return the cells of the first table, without its head; backquotes are taken off a cell that is one code span."""
    return [[_cell(cell) for cell in row] for row in _rows(text)]


def commands(text: str) -> Iterator[str]:
    """Yield each command line of the shell blocks, with continued lines joined."""
    for block in blocks(text):
        if block.language == "sh":
            yield from block.text.replace("\\\n", " ").splitlines()


def _rows(text: str) -> Iterator[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    for line in lines[start + 1 :]:
        if line.startswith("|---"):
            raise AssertionError("there are two tables here")
        yield [cell.strip() for cell in line.strip("|").split("|")]


def _cell(text: str) -> str:
    span = re.fullmatch(r"`([^`]+)`", text)
    return span[1] if span else text
