"""The reference of the HTTP API, as its OpenAPI document has it: made for templates."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from api.console.rendering.request_code import Example, request_code
from api.console.rendering.verification import Snippet

Document = Mapping[str, Any]
_CODE = re.compile(r"`(\w+)`:")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of an object: `place` is where a parameter stands."""

    name: str
    type: str
    description: str
    is_required: bool
    place: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """An object: what it is, and its members."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it takes and answers, by the names of shapes, and the code that calls it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    body: str
    status: str
    answer: str
    example: str
    refusals: tuple[tuple[str, tuple[str, ...]], ...]
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """The routes of one tag, and the shapes of what they take and answer."""

    name: str
    slug: str
    description: str
    operations: tuple[Operation, ...]
    shapes: tuple[Shape, ...]


@lru_cache(maxsize=2)
def chapters_of(document: Callable[[], Document], server: str) -> tuple[Chapter, ...]:
    """Return the chapters of a document; `server` is the address in the examples. It takes some 50 ms, once."""
    made = document()
    return tuple(_chapter(made, tag, server) for tag in made["tags"])


def _chapter(document: Document, tag: Mapping[str, str], server: str) -> Chapter:
    mine = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    operations = tuple(_operation(document, *each, server=server) for each in mine)
    names = _names_in([operation for *_, operation in mine], document["components"]["schemas"])
    return Chapter(
        tag["name"],
        tag["name"].lower().replace(" ", "-"),
        description=tag["description"],
        operations=operations,
        shapes=tuple(_shape(name, document["components"]["schemas"][name]) for name in names),
    )


def _operation(document: Document, method: str, path: str, operation: Document, *, server: str) -> Operation:
    status, answer = next(iter(operation["responses"].items()))
    content: Document = next(iter(answer.get("content", {}).values()), {})
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        parameters=tuple(_parameter(each) for each in operation["parameters"]),
        body=_types(bodies["application/json"]["schema"]) if (bodies := _bodies(operation)) else "",
        status=f"{status} {answer['description'].removesuffix('.')}",
        answer=_types(content["schema"]) if content else "",
        example=_shown(content.get("example")),
        refusals=tuple(_refusals(document, operation)),
        snippets=request_code(_example(method, path, operation, server=server)),
    )


def _bodies(operation: Document) -> Mapping[str, Any]:
    bodies: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    return bodies


def _example(method: str, path: str, operation: Document, *, server: str) -> Example:
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    body = _bodies(operation).get("application/json", {}).get("example")
    answers = next(iter(operation["responses"].values())).get("content", {"": None})
    return Example(method.upper(), server + path, body=body, answers_with=next(iter(answers)))


def _parameter(parameter: Document) -> Field:
    return Field(
        parameter["name"],
        _types(parameter["schema"]),
        parameter["description"],
        is_required=parameter["required"],
        place=parameter["in"],
    )


def _refusals(document: Document, operation: Document) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each status of a refusal, with its codes."""
    for status, response in operation["responses"].items():
        if "$ref" in response:
            refusal = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
            yield status, tuple(_CODE.findall(refusal["description"]))


def _shape(name: str, schema: Document) -> Shape:
    required = schema.get("required", ())
    members = schema.get("properties", {}).items()
    fields = (
        Field(member, _types(each), each.get("description", ""), is_required=member in required)
        for member, each in members
    )
    words = f" One of {', '.join(schema['enum'])}." if "enum" in schema else ""
    return Shape(name, schema.get("description", "") + words, tuple(fields))


def _types(schema: Document) -> str:
    """Return the type of a value in words: those of shapes are their names."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        kinds = [_types(each) for each in schema["anyOf"]]
        # A list of words that may grow says so at the shape of the words.
        return " or ".join(kind for kind in dict.fromkeys(kinds) if kind != "string" or len(set(kinds) - {"null"}) == 1)
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"array of {_types(schema['items'])}" if "items" in schema else "array"
    return str(schema.get("format") or schema.get("type") or "any")


def _names_in(value: Any, schemas: Document) -> Sequence[str]:
    """Return the names of all shapes that something speaks of, directly or by another one, in order."""
    found: dict[str, None] = {}
    waiting = [*_references(value)]
    while waiting:
        name = waiting.pop(0)
        if name in schemas and name not in found:
            found[name] = None
            waiting += _references(schemas[name])
    return list(found)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "/schemas/" in (target := str(value.get("$ref", ""))):
            yield target.rpartition("/")[2]
        yield from (name for each in value.values() for name in _references(each))
    elif isinstance(value, list):
        yield from (name for each in value for name in _references(each))


def _shown(example: Any) -> str:
    if example is None or isinstance(example, str):
        return example or ""
    return orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
