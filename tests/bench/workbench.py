"""What every suite is given: a directory, the size of the run, the progress bar."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.revision import THIS_TREE, Tree
from tests.bench.stores import SQLITE, Store


@dataclass(frozen=True, slots=True)
class Bench:
    """One suite's place to work: `directory` is fresh and empty, `advance(what)` moves the progress bar by a step.

    `quick` asks for a small version of everything: it shows that the bench works, its figures mean little. The
    daemons are those of `tree`, and keep their data in `store`; beside another revision's, no floors are measured.
    Floor and ours are measured in turn `rounds` times, and the median counts, since machines drift.
    """

    directory: Path
    quick: bool
    advance: Callable[[str], None]
    rounds: int = 3
    tree: Tree = THIS_TREE
    floors: bool = True
    store: Store = SQLITE

    @property
    def seconds(self) -> int:
        """How long one round of one load lasts."""
        return 1 if self.quick else 4

    def fresh(self, name: str) -> Path:
        """Return a new directory of this name, numbered when there is one already."""
        taken = sum(1 for path in self.directory.iterdir() if path.name.startswith(f"{name}-"))
        path = self.directory / f"{name}-{taken}"
        path.mkdir()
        return path


def middle(values: list[float]) -> float:
    """Return the median of a measure's rounds."""
    return float(median(values))
