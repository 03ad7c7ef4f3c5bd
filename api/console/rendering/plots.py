"""The geometry of large pictures: stacked bars and lines over time, with the axes beside them.

A plot is stretched to the room that there is, and its texts stand around it. Bars are strokes: a week has 168 of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.console.rendering.axes import Axis, Moment

STEP, HEIGHT = 10, 200
_LEAST = 3  # of what is there something is seen


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: `paths` by the name of what they show, in a box of this width, and what stands at its axes."""

    width: int
    paths: Mapping[str, str]
    axis: Axis
    moments: tuple[Moment, ...]

    @property
    def grid(self) -> str:
        """The lines at the axis' values."""
        count = len(self.axis.words) - 1
        return "".join(f"M0 {round(HEIGHT * place / count)}h{self.width}" for place in range(count + 1))


def bars(values: Mapping[str, Sequence[int]], axis: Axis, moments: Iterable[Moment] = ()) -> Plot:
    """Return bars that stand upon each other, the first of `values` lowest."""
    stacks = [_stack(step, axis) for step in zip(*values.values(), strict=True)]
    paths = {
        name: "".join(_bar(place, *stack[number]) for place, stack in enumerate(stacks))
        for number, name in enumerate(values)
    }
    return Plot(len(stacks) * STEP, paths, axis=axis, moments=tuple(moments))


def lines(values: Mapping[str, Sequence[float | None]], axis: Axis, moments: Iterable[Moment] = ()) -> Plot:
    """Return a line for each series of values, which are in the middle of their steps; None interrupts it."""
    paths = {name: "".join(_line(series, axis)) for name, series in values.items()}
    steps = len(next(iter(values.values())))
    return Plot(steps * STEP, paths, axis=axis, moments=tuple(moments))


def _stack(step: Sequence[int], axis: Axis) -> list[tuple[int, int]]:
    """Return where each of a step's bars begins, and how high it is: what is there is seen, also beside large ones."""
    heights = [max(_height(value, axis), _LEAST) if value else 0 for value in step]
    heights[heights.index(max(heights))] -= max(sum(heights) - HEIGHT, 0)
    return [(sum(heights[:number]), height) for number, height in enumerate(heights)]


def _bar(place: int, begins: int, height: int) -> str:
    bottom = HEIGHT - begins
    return f"M{_middle(place)} {bottom}V{bottom - height}" if height else ""


def _line(series: Sequence[float | None], axis: Axis) -> Iterator[str]:
    goes_on = False
    for place, value in enumerate(series):
        if value is not None:
            is_alone = not goes_on and (place + 1 == len(series) or series[place + 1] is None)
            point = f"{_middle(place)} {HEIGHT - _height(value, axis)}"
            yield ("L" if goes_on else "M") + point + ("h.1" if is_alone else "")
        goes_on = value is not None


def _middle(place: int) -> int:
    return place * STEP + STEP // 2


def _height(value: float, axis: Axis) -> int:
    return round(HEIGHT * min(axis.share(value), 1))
