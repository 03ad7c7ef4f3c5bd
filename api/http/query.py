"""Reading query strings (contract "HTTP API", bad input)."""

import re
from typing import TypeVar

from pydantic import BaseModel

from api.http.errors import wrong_field
from api.http.json_body import validate
from api.http.request import HttpRequest
from api.http.wire import Input

Model = TypeVar("Model", bound=BaseModel)
_PLUS_READ_AS_SPACE = re.compile(r"(?<=\d) (?=\d\d:\d\d\Z)", re.ASCII)


class NoQuery(Input):
    """The query of routes that take none."""


def _with_plus(value: str) -> str:
    """In a query `+` decodes to a space: before a time's offset, where no space belongs, a plus was meant."""
    return _PLUS_READ_AS_SPACE.sub("+", value)


def read_query(request: HttpRequest, model: type[Model]) -> Model:
    """Return the query string as `model`. Raises ApiError (422) for a wrong, unknown or repeated parameter."""
    values = {name: [_with_plus(value) for value in given] for name, given in request.args.lists()}
    for name, given in values.items():
        if len(given) > 1:
            raise wrong_field(f"query.{name}", "is given more than once")
    return validate({name: value for name, [value] in values.items()}, model, "query")
