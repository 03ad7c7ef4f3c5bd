"""The product's event types, for the operator: what there are, a new one, and changes to those that were added."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel
from quart import Response

from api.console.session.page_request import PageRequest, address
from api.console.session.refusals import page_not_found
from api.http.errors import ApiError, Code, from_daemon
from api.http.json_body import parse_json, validate
from api.routes.event_type_models import EventTypeChange, NewEventType, NewEventTypeVersion
from api.routes.event_types import add_type, add_type_version, change_type, remove_type
from daemon.domain.errors import DaemonError
from daemon.domain.event_types import EventType, Source
from daemon.domain.readable_json import readable_json
from daemon.store.reads import event_type_reads

_SHOWN_VERSIONS = 20
_TEXTS = ("name", "description", "category")
_OBJECTS = ("example", "schema")
_WORDS: Mapping[str, str] = {
    "name": "Use small letters, digits, _ and - in two or more parts with dots between them, such as prospect.scored.",
    "description": "Enter a description of 1 to 500 characters.",
    "category": "Enter a name of 1 to 200 characters.",
}

Model = TypeVar("Model", bound=BaseModel)


async def show_catalogue(request: PageRequest) -> Response:
    """Show all event types of the product, and the form for a new one."""
    return await _show_all(request, {})


async def add(request: PageRequest) -> Response:
    """Add an event type and show it, or show the mistakes."""
    typed = {name: request.form.text(name) for name in _TEXTS}
    given: dict[str, Any] = {name: value for name, value in typed.items() if value or name != "category"}
    given["validate"] = request.form.text("validate") == "yes"
    try:
        await add_type(request.call, _read(request, NewEventType, given, objects=_OBJECTS))
    except (ApiError, DaemonError) as error:
        return await _show_all(request, _mistakes(error))
    return request.done(address("event-types", typed["name"]), "event-type-added")


async def show_type(request: PageRequest, event: str) -> Response:
    """Show one event type, and the forms that change it."""
    return await _show(request, event, {})


async def change(request: PageRequest, event: str) -> Response:
    """Change an event type, or show the mistakes."""
    given: dict[str, Any] = {name: request.form.text(name) for name in ("description", "category")}
    given["validate"] = request.form.text("validate") == "yes"
    try:
        await change_type(request.call, event, _read(request, EventTypeChange, given, objects=("example",)))
    except (ApiError, DaemonError) as error:
        return await _show(request, event, _mistakes(error))
    return request.done(address("event-types", event), "event-type-saved")


async def add_version(request: PageRequest, event: str) -> Response:
    """Give an event type another schema, or show the mistakes."""
    try:
        await add_type_version(
            request.call, event, _read(request, NewEventTypeVersion, {}, objects=("schema", "example"))
        )
    except (ApiError, DaemonError) as error:
        return await _show(request, event, _mistakes(error))
    return request.done(address("event-types", event), "event-type-saved")


async def set_state(request: PageRequest, event: str) -> Response:
    """Deprecate or archive an event type, or take that back."""
    wanted = request.form.text("state")
    if wanted not in ("used", "deprecated", "archived"):
        raise page_not_found()
    body = EventTypeChange.model_validate({"deprecated": wanted == "deprecated", "archived": wanted == "archived"})
    try:
        await change_type(request.call, event, body)
    except DaemonError as error:
        return await _show(request, event, _mistakes(error))
    return request.done(address("event-types", event), "event-type-saved")


async def remove(request: PageRequest, event: str) -> Response:
    """Remove an event type that nobody uses."""
    try:
        await remove_type(request.call, event)
    except DaemonError as error:
        return await _show(request, event, _mistakes(error))
    return request.done(address("event-types"), "event-type-removed")


def _read(request: PageRequest, model: type[Model], given: dict[str, Any], objects: tuple[str, ...]) -> Model:
    """Return what a form has. Raises ApiError (400, 422) naming each wrong field."""
    for name in objects:
        if text := request.form.text(name):
            given[name] = parse_json(text, f"$.{name}")
    return validate(given, model, request.call.known)


def _mistakes(error: ApiError | DaemonError) -> dict[str, str]:
    """Return the mistakes, by field; what is about none is about the name. Raises what is no mistake of the form's."""
    refusal = error if isinstance(error, ApiError) else from_daemon(error)
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR or refusal.code is Code.NOT_FOUND:
        raise error
    if not refusal.errors:
        return {"name": refusal.detail}
    told: dict[str, list[str]] = {}
    for wrong in refusal.errors:
        field, _, place = wrong.path.removeprefix("$.").partition(".")
        told.setdefault(field.partition("[")[0], []).append(f"{place}: {wrong.message}" if place else wrong.message)
    return {field: _WORDS.get(field) or "; ".join(words) for field, words in told.items()}


async def _show_all(request: PageRequest, mistakes: dict[str, str]) -> Response:
    every = request.handles.catalogue
    return await request.page(
        "catalogue.html",
        _status(mistakes),
        event_types=[every[name] for name in sorted(every)],
        mistakes=mistakes,
    )


async def _show(request: PageRequest, event: str, mistakes: dict[str, str]) -> Response:
    found = request.handles.catalogue.get(event)
    if found is None:
        raise page_not_found()
    versions = await request.handles.reader.fetch(event_type_reads.list_versions, event, _SHOWN_VERSIONS, None)
    return await request.page(
        "catalogue_type.html",
        _status(mistakes),
        event_type=found,
        is_ours=found.source is Source.API,
        state=_state(found),
        example=readable_json(json.dumps(dict(found.example), ensure_ascii=False).encode()),
        versions=[(one, readable_json(one.schema)) for one in versions],
        mistakes=mistakes,
    )


def _state(event_type: EventType) -> str:
    if event_type.archived_at is not None:
        return "archived"
    return "used" if event_type.deprecated_at is None else "deprecated"


def _status(mistakes: Mapping[str, str]) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK
