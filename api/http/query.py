"""Reading query strings (contract "HTTP API", bad input)."""

import re
from typing import TypeVar

from pydantic import BaseModel

from api.http.errors import wrong_field
from api.http.json_body import validate
from api.http.known import Known
from api.http.mistakes import Mistakes
from api.http.request import HttpRequest
from api.http.wire import Input

Model = TypeVar("Model", bound=BaseModel)
_PLUS_READ_AS_SPACE = re.compile(r"(?<=\d) (?=\d\d:\d\d\Z)", re.ASCII)


class NoQuery(Input):
    """The query of routes that take none."""


def _with_plus(value: str) -> str:
    """In a query `+` decodes to a space: before a time's offset, where no space belongs, a plus was meant."""
    return _PLUS_READ_AS_SPACE.sub("+", value)


def read_query(request: HttpRequest, model: type[Model], known: Known) -> Model:
    """Return the query string as `model`. Raises ApiError (422, 404) for wrong, unknown and repeated parameters."""
    mistakes = Mistakes()
    values = {name: [_with_plus(value) for value in given] for name, given in request.args.lists()}
    query = None
    with mistakes:
        query = validate({name: given[0] for name, given in values.items()}, model, known, root="query")
    for name in (name for name, given in values.items() if len(given) > 1):
        mistakes.note(wrong_field(f"query.{name}", "is given more than once"))
    mistakes.raise_if_any()
    assert query is not None, "there is no mistake in it"
    return query
