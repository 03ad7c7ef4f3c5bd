"""Reading query strings (contract "HTTP API", bad input)."""

import re
from datetime import timedelta
from typing import TypeVar

from api.http.errors import wrong_field
from api.http.json_body import validate
from api.http.known import Known
from api.http.mistakes import Mistakes
from api.http.request import HttpRequest
from api.http.wire import Input, moment_ms

Model = TypeVar("Model", bound=Input)
_PLUS_READ_AS_SPACE = re.compile(r"(?<=\d) (?=\d\d:\d\d\Z)", re.ASCII)


class NoQuery(Input):
    """The query of routes that take none."""


def _with_plus(value: str) -> str:
    """In a query `+` decodes to a space: before a time's offset, where no space belongs, a plus was meant."""
    return _PLUS_READ_AS_SPACE.sub("+", value)


def read_query(request: HttpRequest, model: type[Model], known: Known) -> Model:
    """Return the query string as `model`. Raises ApiError (422, 404) for wrong, unknown and repeated parameters.

    Those that the model calls repeatable are lists.
    """
    mistakes = Mistakes()
    values = {name: [_with_plus(value) for value in given] for name, given in request.args.lists()}
    read = {name: given if name in model.repeatable else given[0] for name, given in values.items()}
    for name, given in values.items():
        if len(given) > 1 and name not in model.repeatable:
            mistakes.note(wrong_field(f"query.{name}", "is given more than once"))
    query = None
    with mistakes:
        query = validate(read, model, known, root="query")
    mistakes.raise_if_any()
    assert query is not None, "there is no mistake in it"
    return query


def period_of(
    since: int | timedelta | None, until: int | timedelta | None, now_ms: int, *, until_path: str = "query.until"
) -> tuple[int | None, int | None]:
    """Return from when to when the parameters `since` and `until` ask. Raises ApiError (422) for an inverted range.

    `until_path` is where `until` was found.
    """
    first, last = moment_ms(since, now_ms), moment_ms(until, now_ms)
    if first is not None and last is not None and last < first:
        raise wrong_field(until_path, "is before since: exchange them, or leave one out")
    return first, last
