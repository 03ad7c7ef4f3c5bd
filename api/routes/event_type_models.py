"""Event types as they are asked for and answered (contract "Event types")."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field, WithJsonSchema

from api.http.wire import Input, Name, Note, Output, OutputTime, format_optional_time
from daemon.domain import event_types
from daemon.domain.event_types import LONGEST_NAME, NAME_PATTERN, Source

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEEPEST = 100


def _is_a_schema(value: Any) -> Any:
    """Return what may be a JSON Schema. Raises ValueError; the rest is the validator's to say."""
    if not isinstance(value, dict | bool):
        raise ValueError("expected a JSON Schema: an object, true or false")
    if isinstance(value, dict) and str(value.get("$schema", _DIALECT)).rstrip("#") != _DIALECT:
        raise ValueError(f"expected a JSON Schema of Draft 2020-12: {_DIALECT} in $schema, or none")
    if _depth(value) > _DEEPEST:
        raise ValueError(f"expected a schema that is nested at most {_DEEPEST} deep")
    return value


def _depth(value: Any) -> int:
    """Return how deep it is nested."""
    deepest, left = 0, [(value, 1)]
    while left:
        one, depth = left.pop()
        deepest = max(deepest, depth)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        left += [(each, depth + 1) for each in inner]
    return deepest


_DESCRIPTION, _CATEGORY = "What it means.", "What it belongs to."
_EXAMPLE = "A realistic `data`. If there is a schema, it has to meet that."
_SCHEMA = (
    "A JSON Schema (Draft 2020-12) of `data`. Nothing is fetched for it: what it refers to stands in it. A `pattern` "
    "has no look-around and no back references."
)
_VALIDATE = "Whether submissions have to meet the schema."
JsonSchema = Annotated[Any, AfterValidator(_is_a_schema), WithJsonSchema({"type": ["object", "boolean"]})]


class NewEventType(Input):
    """An event type to add."""

    name: str = Field(
        pattern=NAME_PATTERN,
        max_length=LONGEST_NAME,
        description="What goes into a webhook's `events`.",
        examples=["prospect.scored"],
    )
    description: Note = Field(description=_DESCRIPTION)
    category: Name = Field("custom", description=_CATEGORY)
    example: dict[str, Any] = Field(default_factory=dict, description=_EXAMPLE)
    json_schema: JsonSchema | None = Field(None, alias="schema", description=_SCHEMA)
    validates: bool = Field(False, alias="validate", description=_VALIDATE)


class EventTypeChange(Input):
    """Changes to an event type; fields that are left out stay as they are."""

    description: Note = Field(default_factory=str, description=_DESCRIPTION)
    category: Name = Field(default_factory=str, description=_CATEGORY)
    example: dict[str, Any] = Field(default_factory=dict, description=_EXAMPLE)
    validates: bool = Field(default_factory=bool, alias="validate", description=_VALIDATE)
    deprecated: bool = Field(
        default_factory=bool, description="Whether it should no longer be used; its events are still accepted."
    )
    archived: bool = Field(default_factory=bool, description="Whether its events are no longer accepted.")


class NewEventTypeVersion(Input):
    """Another schema for an event type."""

    json_schema: JsonSchema = Field(alias="schema", description=_SCHEMA)
    example: dict[str, Any] | None = Field(None, description="Another example; the one that there is, if left out.")


class ListedEventType(Output):
    """An event type, without its schema and example."""

    name: str = Field(description="What goes into a webhook's `events`.")
    description: str = Field(description=_DESCRIPTION)
    category: str = Field(description=_CATEGORY)
    source: Source = Field(description="Where it comes from: only those of the `api` can be changed here.")
    version: int | None = Field(description="The number of its newest schema; null without one.")
    validates: bool = Field(alias="validate", description=_VALIDATE)
    deprecated_at: OutputTime | None = Field(description="Since when it should no longer be used; null if it may.")
    archived_at: OutputTime | None = Field(description="Since when its events are not accepted; null if they are.")
    created_at: OutputTime | None = Field(description="When it was added; null for those that are not of the `api`.")
    updated_at: OutputTime | None = Field(description="When it was last changed; null for those that cannot be.")


class EventType(ListedEventType):
    """An event type."""

    example: dict[str, Any] = Field(description=_EXAMPLE)
    json_schema: dict[str, Any] | bool | None = Field(
        alias="schema", description="Its newest schema; null without one."
    )


class EventTypeVersion(Output):
    """A schema that an event type has or had."""

    version: int = Field(description="Its number, from 1.")
    created_at: OutputTime = Field(description="Since when it was the newest.")
    json_schema: dict[str, Any] | bool = Field(alias="schema", description="The schema.")


class ListedVersion(Output):
    """A version, without its schema."""

    version: int = Field(description="Its number, from 1.")
    created_at: OutputTime = Field(description="Since when it was the newest.")


def show(event_type: event_types.EventType) -> EventType:
    """Return an event type as it is answered."""
    return EventType(
        **listed(event_type),
        example=dict(event_type.example),
        json_schema=None if event_type.schema is None else orjson.loads(event_type.schema),
    )


def listed(event_type: event_types.EventType) -> Mapping[str, Any]:
    """Return the members of a ListedEventType, by their names here."""
    return {
        "name": event_type.name,
        "description": event_type.description,
        "category": event_type.category,
        "source": event_type.source,
        "version": event_type.version,
        "validates": event_type.validate,
        "deprecated_at": format_optional_time(event_type.deprecated_at),
        "archived_at": format_optional_time(event_type.archived_at),
        "created_at": format_optional_time(event_type.created_at),
        "updated_at": format_optional_time(event_type.updated_at),
    }
