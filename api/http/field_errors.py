"""Validation messages for whoever sent a field: in JSON's terms, with what was expected."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

# By pydantic's type of error; the braces are filled from its context.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is missing",
        "extra_forbidden": "unknown field: remove it, or correct its spelling",
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
        "string_too_short": "expected at least {min_length} character(s)",
        "string_too_long": "expected at most {max_length} characters",
        "greater_than_equal": "expected {ge} or more",
        "less_than_equal": "expected {le} or less",
        "greater_than": "expected more than {gt}",
        "less_than": "expected less than {lt}",
    }
)


def validation_message(detail: Mapping[str, Any], field: str) -> str:
    """Return what is wrong, for one of pydantic's errors (with its context) on the field of this name."""
    if detail["type"] == "string_pattern_mismatch":
        return _FORMS.get(field, "does not have the expected format: see /openapi.json")
    if words := _WORDS.get(detail["type"]):
        return words.format_map(detail.get("ctx", {}))
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"


def unknown_parameter(model: type[BaseModel]) -> str:
    """Return what is wrong with a parameter of the query that this model does not have."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return f"unknown parameter: there are {', '.join(names)}" if names else "unknown parameter: there are none here"


_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "id": "expected 1 to 100 letters, digits, dots, underscores or hyphens, the first a letter or digit",
    }
)
