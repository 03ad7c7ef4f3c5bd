"""This tree beside another revision: the same measures in turns, and the ratio of each."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from tests.bench.figures import Figure, shown
from tests.bench.revision import THIS_TREE, Tree
from tests.bench.workbench import Bench, middle

Measure = Callable[[Bench], Awaitable[list[Figure]]]


@dataclass(frozen=True, slots=True)
class Pair:
    """What one round measured: the figures of this tree, and those of the other."""

    ours: Sequence[Figure]
    others: Sequence[Figure]


async def measure_in_turns(run: Measure, bench: Bench, other: Tree) -> list[Figure]:
    """Measure both trees in each round, every second time the other one first, and compare them."""
    rounds = []
    for number in range(bench.rounds):
        measured = {}
        for tree in (THIS_TREE, other) if number % 2 == 0 else (other, THIS_TREE):
            measured[tree] = await run(_bench_of(bench, tree))
        rounds.append(Pair(measured[THIS_TREE], measured[other]))
    return compare(other.name, rounds)


def _bench_of(bench: Bench, tree: Tree) -> Bench:
    def advance(what: str) -> None:
        bench.advance(f"{tree.name}, {what}")

    return replace(bench, directory=bench.fresh("turn"), advance=advance, rounds=1, tree=tree, floors=False)


def compare(revision: str, rounds: Sequence[Pair]) -> list[Figure]:
    """Return this tree's figures, the medians of the rounds, with the ratio to the other's.

    The ratio is the median of the rounds' own, since machines drift; the note has the lowest and the highest. Goals
    are left out: they are judged where the floor is measured.
    """
    return [
        _compare(revision, figure, [_both(figure.measure, pair) for pair in rounds])
        for figure in (rounds[0].ours if rounds else ())
        if all(_find(figure.measure, each) for pair in rounds for each in (pair.ours, pair.others))
    ]


def _compare(revision: str, figure: Figure, values: Sequence[tuple[float, float]]) -> Figure:
    ours, others = (middle([pair[side] for pair in values]) for side in (0, 1))
    note = f"{revision}: {shown(others)} {figure.unit}"
    if any(other <= 0 for _, other in values):
        return Figure(figure.measure, ours, figure.unit, note)
    ratios = [own / other for own, other in values]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds" if len(ratios) > 1 else "1 round"
    return Figure(figure.measure, ours, figure.unit, f"{note}; {spread}", middle(ratios))


def _both(measure: str, pair: Pair) -> tuple[float, float]:
    [ours], [others] = _find(measure, pair.ours), _find(measure, pair.others)
    return ours.value, others.value


def _find(measure: str, figures: Sequence[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.measure == measure]
