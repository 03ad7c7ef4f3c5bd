"""Excerpts of others' texts, so that the size of a page is bounded whatever they contain."""

from dataclasses import dataclass

from markupsafe import escape


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text; `left_out` is the number of characters that follow."""

    text: str
    left_out: int = 0


def excerpt(text: str, max_bytes: int) -> Excerpt:
    """Return as much of a text as takes at most `max_bytes` in a page, escaped and in UTF-8."""
    end = min(len(text), max_bytes)
    while (size := len(str(escape(text[:end])).encode("utf-8", "replace"))) > max_bytes:
        end = min(end - 1, end * max_bytes // size)
    return Excerpt(text[:end], len(text) - end)
