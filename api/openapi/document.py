"""The OpenAPI 3.1 document, made from the route tables and the wire models.

A generator of our own: quart-schema knows one JSON model per status, no problem documents, no NDJSON, and puts response
headers where the specification has none.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel

from api.http.errors import STATUS, ApiError, Code
from api.http.idempotency import headers_of
from api.http.json_body import JSON
from api.http.problems import MEDIA_TYPE, problem_of
from api.http.route import Access, Body, Call, Route
from api.http.wire import Problem
from api.openapi.schemas import Schema, Schemas
from api.openapi.texts import (
    CODE_MEANINGS,
    DESCRIPTION,
    HEADERS,
    HEADERS_OF_STATUS,
    LIMIT_HEADERS,
    PATH_PARAMETERS,
    TAGS,
)
from daemon import __version__
from daemon.domain.model import KeyRole

_KEY = {"type": "http", "scheme": "bearer", "description": "A team's key or the operator's."}
_LICENSE = {"name": "MIT", "identifier": "MIT"}
_CONTACT = {"name": "Whoever runs this daemon"}
_OPEN = (Access.LOCAL, Access.LOCAL_OPERATOR)
_WITH_BODY = (
    Code.INVALID_JSON,
    Code.REQUEST_TIMEOUT,
    Code.TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE,
)


def document_route(described: Sequence[Route]) -> Route:
    """Return the route that answers with the document of these routes and of itself."""

    @cache  # made when somebody asks for it: it takes longer than the rest of the API's start
    def document() -> bytes:
        return orjson.dumps(describe((*described, route)))

    async def get_openapi(call: Call) -> bytes:
        return await call.run_in_thread(document)

    route = Route(
        "GET",
        "/openapi.json",
        get_openapi,
        tag="Operation",
        summary="Read this document",
        description="The OpenAPI 3.1 description of the API. A key as for /healthz.",
        access=Access.LOCAL,
        answer=dict[str, Any],
        example={"openapi": "3.1.0"},
    )
    return route


def describe(routes: Sequence[Route]) -> Schema:
    """Return the OpenAPI document of these routes."""
    schemas = Schemas(routes)
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kakiyo Webhooks",
            "version": __version__,
            "description": DESCRIPTION,
            "license": _LICENSE,
            "contact": _CONTACT,
        },
        "servers": [{"url": "/", "description": "The daemon that answers with this document."}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": _KEY},
            "headers": dict(HEADERS),
            "responses": _refusal_components(routes, schemas),
            "schemas": schemas.components,
        },
    }


def codes_of(route: Route) -> tuple[Code, ...]:
    """Return every code with which this route may refuse."""
    codes = {Code.UNAUTHORIZED, Code.RATE_LIMITED, Code.INTERNAL_ERROR, *route.refusals}
    if route.access not in _OPEN:
        codes |= {Code.INVALID_FIELD, Code.STORE_UNAVAILABLE}
    if route.access in (Access.OPERATOR, Access.LOCAL_OPERATOR):
        codes.add(Code.OPERATOR_ONLY)
    if route.access is Access.TEAM and route.roles != frozenset(KeyRole):
        codes.add(Code.ROLE_NOT_ENOUGH)
    if route.body is not None:
        codes.update(_WITH_BODY)
    if route.once:
        codes.add(Code.IDEMPOTENCY_CONFLICT)
    return tuple(code for code in Code if code in codes)


def _operation(route: Route, schemas: Schemas) -> Schema:
    operation: Schema = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description + _access_note(route),
        "parameters": [
            *_path_parameters(route.path),
            *_parameters(route.query, "query", schemas),
            *_parameters(headers_of(route), "header", schemas),
        ],
        "responses": {str(route.status.value): _answer(route, schemas), **_refusals(codes_of(route))},
    }
    if route.body is not None:
        operation["requestBody"] = _request_body(route.body, schemas)
    if route.access in _OPEN:
        operation["security"] = [{}, {"key": []}]
    return operation


def _access_note(route: Route) -> str:
    if route.access is Access.OPERATOR:
        return " Only with the operator's key."
    if route.access is Access.TEAM and route.roles != frozenset(KeyRole):
        return f" With a key of the role {' or '.join(sorted(route.roles))}."
    return ""


def _path_parameters(path: str) -> list[Schema]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name][0],
            "schema": {"type": "string", "minLength": 1},
            "example": PATH_PARAMETERS[name][1],
        }
        for name in names
    ]


def _parameters(model: type[BaseModel] | None, place: str, schemas: Schemas) -> list[Schema]:
    if model is None:
        return []
    members, required = schemas.members(model)
    return [
        {
            "name": name,
            "in": place,
            "required": name in required,
            "description": schema["description"],
            "schema": _without_null(schema),
        }
        for name, schema in members.items()
    ]


def _without_null(schema: Schema) -> Schema:
    """A parameter is there or not: it is never null."""
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "title", "description")}
    if kept.get("default", 0) is None:
        del kept["default"]
    alternatives = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return {**kept, **alternatives[0]} if alternatives else kept


def _request_body(body: Body, schemas: Schemas) -> Schema:
    content: dict[str, Schema] = {name: {"schema": schemas.of_input(kind)} for name, kind in body.content.items()}
    for name, media in content.items():
        media["example"] = body.example if name == JSON else orjson.dumps(body.example[0]).decode() + "\n"
    return {"required": True, "content": content}


def _answer(route: Route, schemas: Schemas) -> Schema:
    answer: Schema = {"description": route.status.phrase + "."}
    if route.access not in _OPEN:
        answer["headers"] = _headers(LIMIT_HEADERS)
    if route.answer is not None:
        schema = schemas.of_output(route.answer)
        examples = {route.media_type: route.example, **route.other_examples}
        answer["content"] = {name: {"schema": schema, "example": example} for name, example in examples.items()}
    return answer


def _refusals(codes: Sequence[Code]) -> dict[str, Schema]:
    return {
        str(status): {"$ref": f"#/components/responses/{_name_of(those)}"}
        for status, those in _by_status(codes).items()
    }


def _refusal_components(routes: Iterable[Route], schemas: Schemas) -> dict[str, Schema]:
    groups = {those: status for route in routes for status, those in _by_status(codes_of(route)).items()}
    return {_name_of(codes): _refusal(status, codes, schemas) for codes, status in groups.items()}


def _by_status(codes: Sequence[Code]) -> dict[int, tuple[Code, ...]]:
    by_status: dict[int, tuple[Code, ...]] = {}
    for code in codes:
        by_status[STATUS[code].value] = (*by_status.get(STATUS[code].value, ()), code)
    return dict(sorted(by_status.items()))


def _name_of(codes: Sequence[Code]) -> str:
    return "-or-".join(codes)


def _refusal(status: int, codes: Sequence[Code], schemas: Schemas) -> Schema:
    examples = {code.value: {"value": problem_of(ApiError(code, CODE_MEANINGS[code]))} for code in codes}
    return {
        "description": " ".join(f"`{code}`: {CODE_MEANINGS[code]}" for code in codes),
        "headers": _headers(HEADERS_OF_STATUS.get(status, LIMIT_HEADERS)),
        "content": {MEDIA_TYPE: {"schema": schemas.of_output(Problem), "examples": examples}},
    }


def _headers(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
