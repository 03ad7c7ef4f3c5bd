"""Texts of others, cut so that no page grows over its bounds, whatever they are made of."""

from dataclasses import dataclass

from markupsafe import escape


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text; `left_out` is how many characters more it has."""

    text: str
    left_out: int = 0


def excerpt(text: str, room: int) -> Excerpt:
    """Return as much of a text as takes at most `room` bytes in a page, escaped and in UTF-8."""
    end = min(len(text), room)
    while (size := len(str(escape(text[:end])).encode("utf-8", "replace"))) > room:
        end = min(end - 1, end * room // size)
    return Excerpt(text[:end], len(text) - end)
