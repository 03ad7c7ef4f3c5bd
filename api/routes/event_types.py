"""Event types: what there are, and how operators change them while the daemon runs (contract "Event types")."""

from http import HTTPStatus

import orjson

from api.http.cursors import page_of, position_of
from api.http.errors import ApiError, Code, not_found, wrong_field
from api.http.idempotency import once
from api.http.route import ALL_ROLES, Access, Call, Route, json_body
from api.http.wire import Page, PageQuery, format_time
from api.routes.event_type_models import (
    EventType,
    EventTypeChange,
    EventTypeVersion,
    ListedEventType,
    ListedVersion,
    NewEventType,
    NewEventTypeVersion,
    listed,
    show,
)
from api.routes.schema_checks import require_schema
from daemon.domain import event_types
from daemon.domain.event_types import EventTypeEdit
from daemon.store.reads import event_type_reads


async def list_types(call: Call, query: PageQuery) -> Page[ListedEventType]:
    """Answer with the event types of the product, by name."""
    every = call.handles.catalogue
    first = position_of(call, query.cursor) or 0
    end = first + query.limit
    names = sorted(every)
    shown = [ListedEventType(**listed(every[name])) for name in names[first:end]]
    return page_of(call, shown, end if end < len(names) else None)


async def get_type(call: Call, event: str) -> EventType:
    """Answer with one event type."""
    return show(_find(call, event))


async def add_type(call: Call, body: NewEventType) -> EventType:
    """Add an event type."""
    schema = None if body.json_schema is None else orjson.dumps(body.json_schema)
    if body.validates and schema is None:
        raise wrong_field("$.validate", "there is no schema that submissions could meet: give one")
    await require_schema(call, schema, orjson.dumps(body.example))
    event_type = event_types.EventType(
        body.name,
        body.description,
        category=body.category,
        example=body.example,
        schema=schema,
        validate=body.validates,
    )
    return show(await call.handles.event_types.add(event_type, once(call, show), by=call.by))


async def change_type(call: Call, event: str, body: EventTypeChange) -> EventType:
    """Change what the body names."""
    found, given = _find(call, event), body.model_fields_set
    if body.validates and found.schema is None:
        raise wrong_field("$.validate", "there is no schema that submissions could meet: add a version first")
    example = body.example if "example" in given else None
    if example is not None:
        await require_schema(call, found.schema, orjson.dumps(example))
    edit = EventTypeEdit(
        description=body.description or None,
        category=body.category or None,
        example=example,
        validate=body.validates if "validates" in given else None,
        deprecated=body.deprecated if "deprecated" in given else None,
        archived=body.archived if "archived" in given else None,
    )
    return _shown(await call.handles.event_types.change(event, edit, by=call.by))


async def add_type_version(call: Call, event: str, body: NewEventTypeVersion) -> EventType:
    """Give an event type another schema."""
    found = _find(call, event)
    schema = orjson.dumps(body.json_schema)
    await require_schema(call, schema, orjson.dumps(dict(found.example) if body.example is None else body.example))
    saved = await call.handles.event_types.add_version(
        event, schema, example=body.example, after=found.version, once=once(call, show), by=call.by
    )
    return _shown(saved)


async def list_type_versions(call: Call, event: str, query: PageQuery) -> Page[ListedVersion]:
    """Answer with the versions of an event type, newest first."""
    _find(call, event)
    before = position_of(call, query.cursor)
    found = await call.handles.reader.fetch(event_type_reads.list_versions, event, query.limit + 1, before)
    shown = found[: query.limit]
    items = [ListedVersion(version=one.version, created_at=format_time(one.created_at)) for one in shown]
    return page_of(call, items, shown[-1].version if len(found) > query.limit else None)


async def get_type_version(call: Call, event: str, version: str) -> EventTypeVersion:
    """Answer with one version of an event type."""
    _find(call, event)
    number = int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0
    found = await call.handles.reader.fetch(event_type_reads.get_version, event, number)
    if found is None:
        raise not_found("version of this event type")
    return EventTypeVersion(
        version=found.version, created_at=format_time(found.created_at), json_schema=orjson.loads(found.schema)
    )


async def remove_type(call: Call, event: str) -> None:
    """Remove an event type that nobody uses."""
    _find(call, event)
    await call.handles.event_types.remove(event, by=call.by)


def _find(call: Call, event: str) -> event_types.EventType:
    found = call.handles.catalogue.get(event)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "There is no such event type: GET /v1/event-types lists them.")
    return found


def _shown(saved: event_types.EventType | None) -> EventType:
    if saved is None:  # it was removed in between
        raise not_found("event type")
    return show(saved)


_TAG = "Event types"
_SCHEMA_EXAMPLE = {
    "type": "object",
    "required": ["prospectId"],
    "properties": {"prospectId": {"type": "string", "pattern": "^prospect_"}, "score": {"type": "integer"}},
}
_DATA_EXAMPLE = {"prospectId": "prospect_4j1s7g3aeu", "score": 7}
_NEW_EXAMPLE = {
    "name": "prospect.scored",
    "description": "A prospect was given a score",
    "category": "qualification",
    "example": _DATA_EXAMPLE,
    "schema": _SCHEMA_EXAMPLE,
    "validate": True,
}
_LISTED_EXAMPLE = {
    "name": "prospect.scored",
    "description": "A prospect was given a score",
    "category": "qualification",
    "source": "api",
    "version": 1,
    "validate": True,
    "deprecatedAt": None,
    "archivedAt": None,
    "createdAt": "2025-07-15T10:30:00.000Z",
    "updatedAt": "2025-07-15T10:30:00.000Z",
}
_TYPE_EXAMPLE = {**_LISTED_EXAMPLE, "example": _DATA_EXAMPLE, "schema": _SCHEMA_EXAMPLE}
_VERSION_EXAMPLE = {"version": 1, "createdAt": "2025-07-15T10:30:00.000Z"}

ROUTES = (
    Route(
        "GET",
        "/v1/event-types",
        list_types,
        tag=_TAG,
        summary="List the product's event types",
        description="Those that are built in, those of the settings and those that were added here, by name.",
        query=PageQuery,
        only_for=ALL_ROLES,
        answer=Page[ListedEventType],
        example={"items": [_LISTED_EXAMPLE], "nextCursor": None},
    ),
    Route(
        "POST",
        "/v1/event-types",
        add_type,
        tag=_TAG,
        summary="Add an event type",
        description="Webhooks that subscribe to `*` get its events from now on. Its schema is version 1.",
        access=Access.OPERATOR,
        body=json_body(NewEventType, _NEW_EXAMPLE),
        status=HTTPStatus.CREATED,
        answer=EventType,
        example=_TYPE_EXAMPLE,
        refusals=(Code.EVENT_TYPE_EXISTS, Code.EVENT_TYPE_QUOTA, Code.OVERLOADED),
        once=True,
    ),
    Route(
        "GET",
        "/v1/event-types/{event}",
        get_type,
        tag=_TAG,
        summary="Look at an event type",
        description="With its example and its newest schema.",
        only_for=ALL_ROLES,
        answer=EventType,
        example=_TYPE_EXAMPLE,
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "PATCH",
        "/v1/event-types/{event}",
        change_type,
        tag=_TAG,
        summary="Change an event type",
        description="Any of description, category, example, validate, deprecated, archived; of those added here only.",
        access=Access.OPERATOR,
        body=json_body(EventTypeChange, {"deprecated": True}),
        answer=EventType,
        example={**_TYPE_EXAMPLE, "deprecatedAt": "2025-07-15T10:30:00.000Z"},
        refusals=(Code.NOT_FOUND, Code.EVENT_TYPE_FIXED, Code.OVERLOADED),
    ),
    Route(
        "DELETE",
        "/v1/event-types/{event}",
        remove_type,
        tag=_TAG,
        summary="Remove an event type",
        description="Only one that no webhook names and that has no events: archive any other one.",
        access=Access.OPERATOR,
        status=HTTPStatus.NO_CONTENT,
        answer=None,
        refusals=(Code.NOT_FOUND, Code.EVENT_TYPE_FIXED, Code.EVENT_TYPE_IN_USE),
    ),
    Route(
        "POST",
        "/v1/event-types/{event}/versions",
        add_type_version,
        tag=_TAG,
        summary="Give an event type another schema",
        description="From now on it counts instead of the one before, which stays readable.",
        access=Access.OPERATOR,
        body=json_body(NewEventTypeVersion, {"schema": _SCHEMA_EXAMPLE, "example": _DATA_EXAMPLE}),
        status=HTTPStatus.CREATED,
        answer=EventType,
        example={**_TYPE_EXAMPLE, "version": 2},
        refusals=(
            Code.NOT_FOUND,
            Code.EVENT_TYPE_FIXED,
            Code.EVENT_TYPE_QUOTA,
            Code.VERSION_CONFLICT,
            Code.OVERLOADED,
        ),
        once=True,
    ),
    Route(
        "GET",
        "/v1/event-types/{event}/versions",
        list_type_versions,
        tag=_TAG,
        summary="List the versions of an event type",
        description="Newest first, without their schemas.",
        query=PageQuery,
        only_for=ALL_ROLES,
        answer=Page[ListedVersion],
        example={"items": [_VERSION_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/event-types/{event}/versions/{version}",
        get_type_version,
        tag=_TAG,
        summary="Look at a version of an event type",
        description="With its schema.",
        only_for=ALL_ROLES,
        answer=EventTypeVersion,
        example={**_VERSION_EXAMPLE, "schema": _SCHEMA_EXAMPLE},
        refusals=(Code.NOT_FOUND,),
    ),
)
