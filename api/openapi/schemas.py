"""The JSON Schemas of the wire models, as components of the OpenAPI document."""

import re
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.http.idempotency import headers_of
from api.http.route import Route
from api.http.wire import Problem

Schema = dict[str, Any]
_GENERIC = re.compile(rb"\b(Page)_(\w+)_\b")
_REF = "#/components/schemas/{model}"


def _with_plain_names(schemas: object) -> dict[str, Any]:
    """Call what pydantic calls `Page_Webhook_` a `WebhookPage`."""
    renamed: dict[str, Any] = orjson.loads(_GENERIC.sub(rb"\2\1", orjson.dumps(schemas)))
    return renamed


class Schemas:
    """The schemas of all types that routes speak of: as inputs and as outputs, with their shared components."""

    def __init__(self, routes: Sequence[Route]) -> None:
        inputs: list[Any] = []
        outputs: list[Any] = [Problem]
        for route in routes:
            inputs += [model for model in (route.query, headers_of(route)) if model is not None]
            inputs += route.body.content.values() if route.body else ()
            outputs += [route.answer] if route.answer is not None else ()
        wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
            *((str(kind), "validation", TypeAdapter(kind)) for kind in inputs),
            *((str(kind), "serialization", TypeAdapter(kind)) for kind in outputs),
        ]
        by_type, rest = TypeAdapter.json_schemas(wanted, ref_template=_REF)
        self._by_type: dict[tuple[str, JsonSchemaMode], Schema] = {
            key: _with_plain_names(schema) for key, schema in by_type.items()
        }
        self._all: dict[str, Schema] = _with_plain_names(rest["$defs"])
        self._parameters = {kind.__name__ for route in routes for kind in (route.query, headers_of(route)) if kind}

    @property
    def components(self) -> dict[str, Schema]:
        """All but those that are written out as parameters."""
        return {name: schema for name, schema in self._all.items() if name not in self._parameters}

    def of_input(self, kind: Any) -> Schema:
        """The schema of what a client sends."""
        return self._by_type[str(kind), "validation"]

    def of_output(self, kind: Any) -> Schema:
        """The schema of what we answer."""
        return self._by_type[str(kind), "serialization"]

    def members(self, model: type[BaseModel]) -> tuple[dict[str, Schema], list[str]]:
        """The members of an input model, and the names of those that must be there."""
        schema = self.of_input(model)
        if "$ref" in schema:
            schema = self._all[schema["$ref"].rpartition("/")[2]]
        return schema["properties"], schema.get("required", [])
