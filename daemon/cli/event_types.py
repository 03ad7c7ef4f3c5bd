"""`kakiyo-webhooks event-types`: what can happen, and how operators change it while the daemon runs."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import click

from daemon.cli.declared import argument, group_of, option
from daemon.cli.options import (
    AllPages,
    ApiOptions,
    AsJson,
    Cursor,
    IdempotencyKey,
    Limit,
    idempotency_headers,
    with_api_options,
)

if TYPE_CHECKING:
    from daemon.cli.client import Client

_COLUMNS = ("name", "source", "state", "version", "validates", "description")
_Name = Annotated[str, argument(metavar="TYPE")]
_Description = Annotated[str | None, option("--description", metavar="TEXT", help="What it means.")]
_Category = Annotated[str | None, option("--category", metavar="NAME", help="What it belongs to.")]
_Example = Annotated[
    str | None, option("--example", metavar="JSON", help="An example of its data: a JSON object, @file, or -.")
]
_SCHEMA = "A JSON Schema (Draft 2020-12) of its data: JSON, @file, or -."
_Validate = Annotated[bool | None, option("--validate/--no-validate", help="Whether events have to meet the schema.")]


def build_event_types() -> click.Group:
    """Return the group."""
    commands = {
        "list": list_types,
        "show": show,
        "create": create,
        "update": update,
        "add-version": add_version,
        "versions": versions,
        "version": show_version,
        "delete": delete,
    }
    return group_of("event-types", commands, help="Look at the product's event types, and add, change or archive them.")


@with_api_options
def list_types(
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the product's event types."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list

    with connect(api) as client:
        query = {"limit": limit, "cursor": cursor}
        print_list(
            client, "/v1/event-types", query=query, columns=_COLUMNS, row=_row, every_page=every_page, as_json=as_json
        )


@with_api_options
def show(event: _Name, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Show an event type, with its example and its schema."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_reply

    with connect(api) as client:
        print_reply(client.get(path_of("event-types", event)), as_json, _fields)


@with_api_options
def create(
    name: _Name,
    description: Annotated[str, option("--description", metavar="TEXT", help="What it means.")],
    category: _Category = None,
    example: _Example = None,
    schema: Annotated[str | None, option("--schema", metavar="JSON", help=_SCHEMA)] = None,
    validate: _Validate = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Add an event type: webhooks that subscribe to all get its events at once."""
    from daemon.cli.client import connect, present

    members = present({"name": name, "description": description, "category": category, "validate": validate})
    with connect(api) as client:
        _send(
            client,
            "POST",
            path=("event-types",),
            body={**members, **_json_members(example=example, schema=schema)},
            idempotency_key=idempotency_key,
            as_json=as_json,
        )


@with_api_options
def update(
    event: _Name,
    description: _Description = None,
    category: _Category = None,
    example: _Example = None,
    validate: _Validate = None,
    deprecated: Annotated[
        bool | None, option("--deprecated/--no-deprecated", help="Whether it should no longer be used.")
    ] = None,
    archived: Annotated[
        bool | None, option("--archived/--no-archived", help="Whether its events are no longer accepted.")
    ] = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Change an event type; what is not given stays as it is."""
    from daemon.cli.client import connect, present

    members = present(
        {
            "description": description,
            "category": category,
            "validate": validate,
            "deprecated": deprecated,
            "archived": archived,
        }
    )
    with connect(api) as client:
        _send(
            client,
            "PATCH",
            path=("event-types", event),
            body={**members, **_json_members(example=example)},
            as_json=as_json,
        )


@with_api_options
def add_version(
    event: _Name,
    schema: Annotated[str, option("--schema", metavar="JSON", help=_SCHEMA)],
    example: _Example = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Give an event type another schema, which counts from now on."""
    from daemon.cli.client import connect

    with connect(api) as client:
        _send(
            client,
            "POST",
            path=("event-types", event, "versions"),
            body=_json_members(example=example, schema=schema),
            idempotency_key=idempotency_key,
            as_json=as_json,
        )


@with_api_options
def versions(
    event: _Name,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the versions of an event type, the newest first."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_list

    with connect(api) as client:
        print_list(
            client,
            path_of("event-types", event, "versions"),
            query={"limit": limit, "cursor": cursor},
            columns=("version", "since"),
            row=lambda version: (version["version"], version["createdAt"]),
            every_page=every_page,
            as_json=as_json,
        )


@with_api_options
def show_version(
    event: _Name, version: Annotated[int, argument(metavar="VERSION")], as_json: AsJson = False, *, api: ApiOptions
) -> None:
    """Show a version of an event type, with its schema."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_reply

    with connect(api) as client:
        reply = client.get(path_of("event-types", event, "versions", str(version)))
        print_reply(
            reply,
            as_json,
            lambda one: [
                ("version", one["version"]),
                ("since", one["createdAt"]),
                ("schema", _readable(one["schema"])),
            ],
        )


@with_api_options
def delete(event: _Name, *, api: ApiOptions) -> None:
    """Remove an event type that no webhook names and that has no events."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_line
    from daemon.domain.printable import printable

    with connect(api) as client:
        client.delete(path_of("event-types", event))
    print_line(f"Removed {printable(event)}.")


def _send(
    client: "Client",
    method: str,
    *,
    path: Iterable[str],
    body: dict[str, Any],
    as_json: bool,
    idempotency_key: str | None = None,
) -> None:
    from daemon.cli.client import path_of
    from daemon.cli.replies import print_reply

    reply = client.send(method, path_of(*path), body=body, headers=idempotency_headers(idempotency_key))
    print_reply(reply, as_json, _fields)


def _json_members(**texts: str | None) -> dict[str, Any]:
    """Return those that are given, as values."""
    import json

    from daemon.cli.inputs import read_json_text

    return {name: json.loads(read_json_text(text)) for name, text in texts.items() if text is not None}


def _row(event_type: dict[str, Any]) -> tuple[Any, ...]:
    return (
        event_type["name"],
        event_type["source"],
        _state(event_type),
        event_type["version"],
        event_type["validate"],
        event_type["description"],
    )


def _state(event_type: dict[str, Any]) -> str:
    if event_type["archivedAt"] is not None:
        return "archived"
    return "deprecated" if event_type["deprecatedAt"] is not None else "in use"


def _fields(event_type: dict[str, Any]) -> list[tuple[str, Any]]:
    lines = [*zip(_COLUMNS, _row(event_type), strict=True), ("category", event_type["category"])]
    times = (("deprecated", "deprecatedAt"), ("archived", "archivedAt"), ("added", "createdAt"))
    lines += [(label, event_type[name]) for label, name in times if event_type[name] is not None]
    lines.append(("example", _readable(event_type["example"])))
    if event_type["schema"] is not None:
        lines.append(("schema", _readable(event_type["schema"])))
    return lines


def _readable(value: Any) -> str:
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)
