"""A batch of events as single texts: one too many, or too long, and the rest is not read (contract "HTTP API")."""

from collections.abc import Iterator
from itertools import count

from api.http.errors import invalid_json, wrong_field
from api.http.json_body import end_of_json_at, parse_json, skip_space


def array_items(text: str) -> Iterator[str]:
    """Yield the text of each value of a JSON array. Raises ApiError: 400, or 422 if it is no array."""
    start = skip_space(text, 0)
    if not text.startswith("[", start):
        parse_json(text)
        raise wrong_field("$", "expected an array of events")
    end = first = skip_space(text, start + 1)
    if not text.startswith("]", first):
        for begin, after in _members(text, first):
            yield text[begin:after]
            end = skip_space(text, after)
    if not text.startswith("]", end):
        raise invalid_json(f"a comma or ] is missing at character {end + 1}")
    if skip_space(text, end + 1) != len(text):
        raise invalid_json(f"something follows the array at character {end + 2}")


def line_items(text: str) -> Iterator[str]:
    """Yield the text of the value of each line that is not blank (NDJSON). Raises ApiError (400)."""
    start = skip_space(text, 0)
    for index in count():
        if start == len(text):
            return
        end = end_of_json_at(text, start, f"$[{index}]")
        line_end = _line_end(text, start)
        if end > line_end or text[end:line_end].strip():
            raise invalid_json("a line must hold exactly one event", f"$[{index}]")
        yield text[start:end]
        start = skip_space(text, end)


def _members(text: str, start: int) -> Iterator[tuple[int, int]]:
    for index in count():
        end = end_of_json_at(text, start, f"$[{index}]")
        yield start, end
        comma = skip_space(text, end)
        if not text.startswith(",", comma):
            return
        start = skip_space(text, comma + 1)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end
