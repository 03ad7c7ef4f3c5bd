"""Reading JSON from a request: media type, syntax, fields (SPEC "HTTP API", bad input).

What is taken is I-JSON (RFC 7493): UTF-8, no name twice in an object, no lone surrogate, no number beyond what
64-bit integers and doubles hold. Everything that passes here can be written out again, byte-faithfully.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from quart import Request

from api.errors import ApiError, Code, FieldError, invalid_json, wrong_fields

JSON = "application/json"
NDJSON = "application/x-ndjson"
_MAX_REPORTED = 20
_MAX_SHOWN_NAME = 100
_SPACE = re.compile(r"[ \t\n\r]*")

Model = TypeVar("Model", bound=BaseModel)


def require_media_type(request: Request, *expected: str) -> str:
    """Return the request's media type. Raises ApiError (415) unless it is one of those expected, uncompressed."""
    if request.mimetype not in expected:
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, f"Send the body with `Content-Type: {' or '.join(expected)}`.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.")
    return request.mimetype


async def read_json(request: Request, model: type[Model]) -> Model:
    """Return the body of a JSON request as `model`. Raises ApiError (400, 413, 415, 422)."""
    require_media_type(request, JSON)
    return validate(parse_json(decode(await read_bytes(request))), model)


async def read_bytes(request: Request) -> bytes:
    """Return the body as it came. Raises the framework's errors for 408 and 413."""
    return await request.get_data(cache=False, as_text=False, parse_form_data=False)


def decode(raw: bytes) -> str:
    """Return the body as text. Raises ApiError (400) if it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise invalid_json(f"byte {error.start} is not UTF-8") from None


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raises ApiError (400)."""
    value, end = parse_json_at(text, skip_space(text, 0))
    if skip_space(text, end) != len(text):
        raise invalid_json(f"something follows the value at character {end + 1}")
    return value


def parse_json_at(text: str, position: int, path: str = "$") -> tuple[Any, int]:
    """Return the JSON value that begins at `position`, and where it ends. Raises ApiError (400) naming `path`."""
    try:
        value, end = _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise invalid_json(f"line {error.lineno}, column {error.colno}: {error.msg.lower()}", path) from None
    except ValueError as error:
        raise invalid_json(str(error).partition(":")[0].lower(), path) from None
    except RecursionError:
        raise invalid_json("it is nested too deeply", path) from None
    _require_writable(value, path)
    return value, end


def skip_space(text: str, position: int) -> int:
    """Return where the next token begins at or after `position`."""
    space = _SPACE.match(text, position)
    return space.end() if space else position


def validate(value: Any, model: type[Model], root: str = "$") -> Model:
    """Return a parsed JSON value as `model`. Raises ApiError (422) naming each wrong field, as a path from `root`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise wrong_fields([_explain(detail, root) for detail in details[:_MAX_REPORTED]]) from None


def _explain(detail: Mapping[str, Any], root: str) -> FieldError:
    messages = {"missing": "is missing", "extra_forbidden": "unknown field: remove it, or correct its spelling"}
    message = messages.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return FieldError(root + _path(detail["loc"]), f"{message[0].lower()}{message[1:]}")


def _path(location: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_SHOWN_NAME]}" for part in location)


def _require_writable(value: Any, path: str) -> None:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise invalid_json(f"it holds what cannot be passed on unchanged: {str(error).lower()}", path) from None


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(members)
    if len(result) != len(members):
        raise ValueError("a name is in an object twice")
    return result


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large for a double")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_float=_finite, parse_constant=_refuse_constant)
