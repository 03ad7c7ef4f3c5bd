"""Validation messages for whoever sent a field: in JSON's terms, with what was expected or probably meant."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from api.http.known import ARCHIVED_EVENT, NO_SUCH_TEAM, UNKNOWN_EVENT, nearest
from daemon.domain.printable import one_line

_LONGEST_SHOWN = 100

# By pydantic's type of error; the braces are filled from its context.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is missing",
        "enum": "expected one of {expected}",
        "literal_error": "expected one of {expected}",
        NO_SUCH_TEAM: "no such team",
        ARCHIVED_EVENT: "this event type is archived: its events are no longer accepted",
        "dict_type": "expected an object",
        "model_type": "expected an object",
        "model_attributes_type": "expected an object",
        "list_type": "expected an array",
        "tuple_type": "expected an array",
        "string_type": "expected a string",
        "bool_type": "expected true or false",
        "int_type": "expected a whole number",
        "int_from_float": "expected a whole number",
        "float_type": "expected a number",
        "too_short": "expected at least {min_length} item(s)",
        "too_long": "expected at most {max_length} items",
        "string_too_short": "expected {min_length} or more characters",
        "string_too_long": "expected at most {max_length} characters",
        "greater_than_equal": "expected {ge} or more",
        "less_than_equal": "expected {le} or less",
        "greater_than": "expected more than {gt}",
        "less_than": "expected less than {lt}",
    }
)


def validation_message(
    detail: Mapping[str, Any], field: str, *, fields: Collection[str] = (), events: Collection[str] = ()
) -> str:
    """Return what is wrong, for one of pydantic's errors (with its context and input) on the field of this name.

    `fields` and `events` are those that there are.
    """
    match detail["type"]:
        case "extra_forbidden":
            return unknown_field(field, fields)
        case _ if detail["type"] == UNKNOWN_EVENT:
            return unknown_event(detail["input"], events)
        case "string_pattern_mismatch":
            return _FORMS.get(field, "does not have the expected format: see /openapi.json")
    if words := _WORDS.get(detail["type"]):
        return words.format_map(detail.get("ctx", {}))
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"


def unknown_field(field: str, fields: Collection[str]) -> str:
    """Return what is wrong with a field that there is not."""
    if meant := nearest(field, fields):
        return f"unknown field: did you mean {meant}?"
    return "unknown field: remove it, or correct its spelling"


def unknown_parameter(given: str, names: Collection[str]) -> str:
    """Return what is wrong with a parameter of the query that is none of these."""
    hint = f"did you mean {meant}? There" if (meant := nearest(given, names)) else "there"
    return f"unknown parameter: {hint} are {', '.join(names) or 'none here'}"


def unknown_event(given: str, events: Collection[str]) -> str:
    """Return what is wrong with an event type that there is not: which, and which one was probably meant."""
    which = one_line(given[: 2 * _LONGEST_SHOWN], _LONGEST_SHOWN)
    hint = f"did you mean {meant}? " if (meant := nearest(given, events)) else ""
    return f"unknown event type {which}: {hint}GET /v1/webhooks/test/events lists them"


_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "id": "expected 1 to 100 letters, digits, dots, underscores or hyphens, the first a letter or digit",
    }
)
