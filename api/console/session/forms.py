"""Parsing the forms that browsers send (WHATWG URL, application/x-www-form-urlencoded)."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from quart import Request

from api.http.errors import ApiError, Code
from api.http.json_body import read_bytes, require_media_type

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, in their order."""

    fields: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """Return a field without surrounding white space, "" if it is missing."""
        return self.exact(name).strip()

    def exact(self, name: str) -> str:
        """Return a field as it was typed, "" if it is missing."""
        return next((value for field, value in self.fields if field == name), "")

    def each(self, name: str) -> tuple[str, ...]:
        """Return all values of a field."""
        return tuple(value for field, value in self.fields if field == name)

    def has(self, name: str) -> bool:
        """Whether the form has the field: a checkbox was ticked, or a button pressed."""
        return any(field == name for field, _ in self.fields)


async def read_form(request: Request) -> Form:
    """Return the form in the request's body. Raises ApiError (400, 413, 415)."""
    require_media_type(request, _FORM)
    raw = await read_bytes(request)
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise ApiError(Code.INVALID_REQUEST, "The form cannot be read: reload the page and send it again.") from None
    return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in fields))
