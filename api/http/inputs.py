"""Query and body of a request, as its route takes them: whatever is wrong with them is collected."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from api.http.errors import ApiError, from_daemon
from api.http.json_body import JSON, parse_in_thread, read_json, validate
from api.http.query import NoQuery, read_query
from api.http.route import Access, Body, Call, Route
from daemon.domain.errors import DaemonError

_OPEN = (Access.LOCAL, Access.LOCAL_OPERATOR)


async def read_inputs(route: Route, call: Call, path: Mapping[str, str]) -> tuple[dict[str, BaseModel], bytes]:
    """Return the query and the body, by `query` and `body`, and the body as it came.

    Wrong fields are added to the call's mistakes, and are not among them. Raises ApiError (400, 413, 415) for a body
    that cannot be read.
    """
    inputs: dict[str, BaseModel] = {}
    raw = b""
    with call.mistakes:
        if route.query is not None:
            inputs["query"] = read_query(call.request, route.query, call.known)
        elif call.request.query_string and route.access not in _OPEN:  # who asks for health may add what they like
            read_query(call.request, NoQuery, call.known)
    if route.body is not None and route.body.parsed:
        value, raw = await read_json(call.request, call.run_in_thread)
        try:
            inputs["body"] = await parse_in_thread(
                raw, partial(validate, value, route.body.content[JSON], call.known), call.run_in_thread
            )
        except ApiError as error:
            call.mistakes.note(error)
            await _tell_the_rest(route.body, call, value=value, path=path)
    return inputs, raw


async def _tell_the_rest(body: Body, call: Call, *, value: Any, path: Mapping[str, str]) -> None:
    """Add what is wrong with the fields that are right as far as their model knows."""
    if body.tell is None or not isinstance(value, dict):
        return
    model: type[BaseModel] = body.content[JSON]
    right = dict(_right_fields(model, value, call))
    with call.mistakes:
        try:
            await body.tell(call, **path, body=model.model_construct(set(right), **right))
        except DaemonError as error:
            raise from_daemon(error) from None


def _right_fields(model: type[BaseModel], value: dict[str, Any], call: Call) -> Iterator[tuple[str, Any]]:
    """Yield each field that is right by itself, as a whole body would have it."""
    for name, member in model.model_fields.items():
        if member.alias in value and not call.mistakes.names(f"$.{member.alias}"):
            with suppress(ValidationError):  # the mistakes name only the first of many wrong fields
                yield name, _type_of(model, name).validate_python(value[member.alias], context=call.known)


@cache
def _type_of(model: type[BaseModel], field: str) -> TypeAdapter[Any]:
    return TypeAdapter(model.model_fields[field].rebuild_annotation())
