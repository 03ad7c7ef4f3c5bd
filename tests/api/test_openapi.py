"""The document that describes the API describes this API, all of it, and nothing else."""

import re
from typing import Any, get_type_hints

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter

from api.app import ROUTES, create_app
from api.http.errors import STATUS, Code
from api.http.json_body import NDJSON
from api.http.route import Noted, Route
from api.http.streamed import Streamed
from api.limits.sizes import MAX_BODY_BYTES_OF_PATH
from api.openapi.document import codes_of
from api.openapi.texts import CODE_MEANINGS, TAGS
from api.routes.changes import EVENT_STREAM
from tests.support.api_client import RunningApi

AUTOMATIC = {"HEAD", "OPTIONS"}


@pytest.fixture
async def document(api: RunningApi) -> dict[str, Any]:
    answer = await api.operator.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.value)


async def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


async def test_every_route_but_the_consoles_is_described_and_everything_described_is_a_route(
    api: RunningApi, document: dict[str, Any]
) -> None:
    rules = {
        (method, re.sub(r"<id\([^)]*\):(\w+)>", r"{\1}", rule.rule))
        for rule in create_app(api.handles).url_map.iter_rules()
        if not rule.rule.startswith("/console")
        for method in (rule.methods or set()) - AUTOMATIC
    }
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert rules == described


async def test_every_field_parameter_and_operation_is_explained(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"].endswith("."), (path, method)
        assert all(parameter["description"] for parameter in operation["parameters"]), (path, method)
        assert operation["tags"][0] in TAGS
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name
        unexplained = [field for field, each in schema.get("properties", {}).items() if not each.get("description")]
        assert not unexplained, name


async def test_every_error_code_is_documented_with_its_status(document: dict[str, Any]) -> None:
    assert set(CODE_MEANINGS) == set(STATUS) == set(Code)
    assert document["components"]["schemas"]["Code"]["enum"] == [code.value for code in Code]
    assert all(f"`{code}`" in document["info"]["description"] for code in Code)
    named = {code for route in ROUTES for code in codes_of(route)}
    of_no_route = {Code.METHOD_NOT_ALLOWED, Code.INVALID_REQUEST, Code.HEAD_TOO_LARGE}
    assert set(Code) - named == of_no_route


async def test_every_operation_says_what_it_answers_without_a_key(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        response = document["components"]["responses"][operation["responses"]["401"]["$ref"].rpartition("/")[2]]
        assert "application/problem+json" in response["content"], (path, method)
        assert "WWW-Authenticate" in response["headers"], (path, method)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_example_is_what_it_is_an_example_of(route: Route) -> None:
    if route.answer is not None:
        TypeAdapter(route.answer).validate_python(route.example, by_alias=True, by_name=False)
    if route.body is not None:
        for media_type, kind in route.body.content.items():
            if media_type == "application/json":
                TypeAdapter(kind).validate_python(route.body.example)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_handler_answers_with_what_its_route_says(route: Route) -> None:
    returned = get_type_hints(route.handler)["return"]
    said = Streamed if route.media_type in (EVENT_STREAM, NDJSON) else route.answer
    assert returned in (said, bytes, bytes | Noted) or (returned is type(None) and route.answer is None)


def test_body_limits_are_those_of_routes() -> None:
    assert set(MAX_BODY_BYTES_OF_PATH) <= {route.path for route in ROUTES}


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, item in document["paths"].items() for method, each in item.items()]
