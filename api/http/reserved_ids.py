"""Path segments of our own where other paths have an id: no id chosen by a client may be one of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

Words = Mapping[str, frozenset[str]]


def reserved_segments(paths: Iterable[str]) -> Words:
    """Return the segments found where another path has a parameter, by the prefix that they follow.

    Parameters are written `{name}` or `<name>`.
    """
    words: dict[str, set[str]] = defaultdict(set)
    with_parameter: set[str] = set()
    for path in paths:
        for prefix, part in steps(path):
            if is_parameter(part):
                with_parameter.add(prefix)
            elif part:
                words[prefix].add(part)
    return {prefix: frozenset(words[prefix]) for prefix in with_parameter if words[prefix]}


def steps(path: str) -> Iterator[tuple[str, str]]:
    """Yield each part of a path with the prefix before it, in which all parameters look the same."""
    prefix: list[str] = []
    for part in path.split("/"):
        yield "/".join(prefix), part
        prefix.append("{}" if is_parameter(part) else part)


def is_parameter(part: str) -> bool:
    """Whether this segment of a path is a parameter."""
    return part.startswith(("{", "<"))
