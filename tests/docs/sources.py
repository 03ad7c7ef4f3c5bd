"""Our own source files and what they import, for the tests of the import rules and of the map."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the repository, with slashes."""

    path: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree: to walk through it takes longer than to parse it."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def imported(self) -> frozenset[str]:
        """Every module that is imported anywhere in the file, inside functions too; of a relative import, nothing."""
        return frozenset(_imported(self.nodes))

    def imports(self, *packages: str) -> bool:
        """Whether it imports one of these packages, or something in one of them."""
        return any(name == package or name.startswith(f"{package}.") for name in self.imported for package in packages)

    def is_in(self, *places: str) -> bool:
        """Whether it is one of these files, or in one of these directories (written with a slash at the end)."""
        return any(self.path.startswith(place) if place.endswith("/") else self.path == place for place in places)


def sources(*packages: str) -> list[Source]:
    """Return the Python files of these top-level directories."""
    files = (file for package in packages for file in (ROOT / package).rglob("*.py"))
    return [_source(file.relative_to(ROOT).as_posix()) for file in sorted(files)]


@cache
def _source(path: str) -> Source:
    return Source(path)  # the same for all who ask: each file is read once


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
