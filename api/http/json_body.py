"""Reading JSON from a request: media type, syntax, fields (contract "HTTP API", bad input).

Only I-JSON (RFC 7493) is accepted: UTF-8, no name twice in an object, no lone surrogate, no number beyond what
64-bit integers and doubles hold. An event's data, which is passed on as it came, is `api.routes.envelope`'s to judge.
"""

import gc
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from api.http.errors import ApiError, Code, FieldError, invalid_json, several, too_large, unknown_team
from api.http.field_errors import unknown_parameter, validation_message
from api.http.known import NO_SUCH_TEAM, Known
from api.http.mistakes import MOST_TOLD
from api.http.request import HttpRequest
from api.limits.sizes import MAX_INLINE_PARSE_BYTES, MAX_REQUEST_BYTES
from daemon.actors.threads import RunInThread

JSON = "application/json"
NDJSON = "application/x-ndjson"
_LONGEST_VALUE = MAX_REQUEST_BYTES  # characters: twice an event, for escapes and white space
_LONGEST_ATOM = len("-Infinity") + 1
_MAX_SHOWN_NAME = 100
_SPACE = re.compile(r"[ \t\n\r]*")

Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")


def require_media_type(request: HttpRequest, *expected: str) -> str:
    """Return the request's media type. Raises ApiError (415) unless it is one of those expected, uncompressed."""
    if request.mimetype not in expected:
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, f"Send the body with `Content-Type: {' or '.join(expected)}`.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.")
    return request.mimetype


async def read_json(request: HttpRequest, run_in_thread: RunInThread) -> tuple[Any, bytes]:
    """Return the value of a JSON request's body, and the body as it came. Raises ApiError (400, 413, 415)."""
    require_media_type(request, JSON)
    raw = await read_bytes(request)
    return await parse_in_thread(raw, lambda: parse_json(decode(raw)), run_in_thread), raw


async def parse_in_thread(raw: bytes, work: Callable[[], Result], run_in_thread: RunInThread) -> Result:
    """Return what `work` makes of a body: a long one is parsed in a thread, since that may take a second."""
    if len(raw) <= MAX_INLINE_PARSE_BYTES:
        return work()
    return await run_in_thread(lambda: _without_collecting(work))


def _without_collecting(work: Callable[[], Result]) -> Result:
    """Parsed JSON has no cycles, but may have a hundred thousand lists that the collector would scan again and again.

    It holds the interpreter lock meanwhile: half of the time for which a long body can block the loop.
    """
    gc.disable()
    try:
        return work()
    finally:
        gc.enable()


async def read_bytes(request: HttpRequest) -> bytes:
    """Return the body as it came. Raises the framework's errors for 408 and 413."""
    return await request.get_data(cache=False, as_text=False, parse_form_data=False)


def decode(raw: bytes) -> str:
    """Return the body as text. Raises ApiError (400) if it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise invalid_json(f"byte {error.start} is not UTF-8") from None


def parse_json(text: str, path: str = "$") -> Any:
    """Return the value of a JSON text. Raises ApiError (400) naming `path`."""
    value, end = _parse_at(text, skip_space(text, 0), path=path, decoder=_DECODER)
    _require_writable(value, path)
    if skip_space(text, end) != len(text):
        raise invalid_json(f"something follows the value at character {end + 1}")
    return value


def end_of_json_at(text: str, position: int, path: str = "$") -> int:
    """Return where the JSON value ends that begins at `position`. Its names and numbers may be any.

    Raises ApiError naming `path`: 400, or 413 if the value is longer than any that is accepted.
    """
    return _parse_at(text, position, path=path, decoder=_SCANNER)[1]


def _parse_at(text: str, position: int, path: str, decoder: json.JSONDecoder) -> tuple[Any, int]:
    window = text if len(text) <= _LONGEST_VALUE else text[position : position + _LONGEST_VALUE]
    skipped = 0 if window is text else position
    try:
        value, end = decoder.raw_decode(window, position - skipped)
    except json.JSONDecodeError as error:
        if skipped + len(window) < len(text) and _at_the_end(error):
            raise too_large("a value is longer than any event may be", path) from None
        raise invalid_json(_place(text, skipped + error.pos, error.msg), path) from None
    except ValueError as error:
        raise invalid_json(str(error).partition(":")[0].lower(), path) from None
    except RecursionError:
        raise invalid_json("it is nested too deeply", path) from None
    return value, end + skipped


def _at_the_end(error: json.JSONDecodeError) -> bool:
    """Whether the error is at the end of the text: an unterminated string, or just before the last character."""
    return error.msg.startswith("Unterminated") or error.pos > len(error.doc) - _LONGEST_ATOM


def _place(text: str, position: int, message: str) -> str:
    line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    return f"line {line}, column {column}: {message.lower()}"


def skip_space(text: str, position: int) -> int:
    """Return where the next token begins at or after `position`."""
    space = _SPACE.match(text, position)
    return space.end() if space else position


def validate(value: Any, model: type[Model], known: Known | None, root: str = "$") -> Model:
    """Return a parsed JSON value as `model`, its fields checked against what is `known`, None for any.

    Raises ApiError (422, 404) naming each wrong field, as a path from `root`, with the code of the first.
    """
    try:
        return model.model_validate(value, context=known)
    except ValidationError as error:
        details = error.errors(include_url=False)
    first = details[0]
    told = [_explain(detail, root, model=model, known=known) for detail in details[:MOST_TOLD]]
    if first["type"] == NO_SUCH_TEAM and len(details) == 1:
        raise unknown_team(told[0].path)
    code = Code.NOT_FOUND if first["type"] == NO_SUCH_TEAM else Code.INVALID_FIELD
    raise several(code, told, are_more=len(details) > MOST_TOLD)


def _explain(detail: Mapping[str, Any], root: str, *, model: type[BaseModel], known: Known | None) -> FieldError:
    is_query = root == "query"
    location, names = detail["loc"], {name: member.alias or name for name, member in model.model_fields.items()}
    if detail["type"] != "extra_forbidden":  # for a default, pydantic gives its own name of the field
        location = tuple(names.get(part, part) for part in location)
    if is_query:  # what may be given several times is one parameter all the same
        location = location[:1]
    field = next((str(part) for part in reversed(location) if isinstance(part, str)), "")
    if is_query and detail["type"] == "extra_forbidden":
        return FieldError(root + field_path(location), unknown_parameter(field, names.values()))
    events = () if known is None else known.events
    message = validation_message(detail, field, fields=names.values(), events=events)
    return FieldError(root + field_path(location), message)


def field_path(location: Sequence[int | str]) -> str:
    """Return where a field is, as a JSON path from what it is in."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_SHOWN_NAME]}" for part in location)


def _require_writable(value: Any, path: str) -> None:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise invalid_json(f"it has a value that cannot be passed on unchanged: {str(error).lower()}", path) from None


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(members)
    if len(result) != len(members):
        raise ValueError("an object has the same name twice")
    return result


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large for a double")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_float=_finite, parse_constant=_refuse_constant)
_SCANNER = json.JSONDecoder(
    object_pairs_hook=lambda _members: None, parse_int=len, parse_float=len, parse_constant=_refuse_constant
)
