"""`kakiyo-webhooks events`: submitting events, and what types there are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from daemon.cli.declared import argument, group_of, option
from daemon.cli.options import (
    WHEN,
    AllPages,
    ApiOptions,
    AsJson,
    Cursor,
    IdempotencyKey,
    Limit,
    TeamFilter,
    idempotency_headers,
    with_api_options,
)
from daemon.domain.delivery_terms import Priority
from daemon.domain.operations import About

if TYPE_CHECKING:
    from daemon.cli.client import Reply

_COLUMNS = ("id", "type", "accepted", "key", "bytes", "test")
_EventType = Annotated[str, option("--type", "--event", metavar="TYPE", help="The event type.")]


def build_events() -> click.Group:
    """Return the group."""
    commands = {
        "send": send,
        "batch": batch,
        "list": list_events,
        "show": show,
        "erase": erase,
        "types": types,
        "example": example,
    }
    return group_of("events", commands, help="Submit events, look at them, list the event types.")


@with_api_options
def send(
    event: _EventType,
    data: Annotated[
        str, option("--data", metavar="JSON", help="The data: a JSON object, @file, or - for standard input.")
    ],
    team_id: TeamFilter = None,
    timestamp: Annotated[str | None, option("--timestamp", help="When it happened; without it, now.")] = None,
    deliver_at: Annotated[str | None, option("--deliver-at", help="Not to be delivered before: a time, or 2h.")] = None,
    expires_at: Annotated[
        str | None, option("--expires-at", help="Cancelled once it has passed: a time, or 2h.")
    ] = None,
    priority: Annotated[Priority | None, option("--priority", help="'low': behind others that are pending.")] = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Submit one event. It is safely kept when this command ends with 0."""
    from daemon.cli.client import connect, json_bytes, present
    from daemon.cli.inputs import read_json_text
    from daemon.cli.replies import print_reply
    from daemon.cli.times import api_time, api_time_ahead

    content = read_json_text(data)
    terms = {"deliverAt": api_time_ahead(deliver_at), "expiresAt": api_time_ahead(expires_at), "priority": priority}
    beside = present({"event": event, "teamId": team_id, "timestamp": api_time(timestamp), **terms})
    with connect(api) as client:
        body = json_bytes(beside).removesuffix(b"}") + b', "data": %s}' % content
        reply = client.send_raw(
            "/v1/events", body, media_type="application/json", headers=idempotency_headers(idempotency_key)
        )
        print_reply(reply, as_json, _receipt)


@with_api_options
def batch(
    file: Annotated[
        Path, argument(metavar="FILE", help="One event per line (NDJSON), or a JSON array; - for standard input.")
    ],
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Submit up to 1,000 events: all of them are accepted, or none."""
    from daemon.cli.client import connect
    from daemon.cli.inputs import read_json_bytes
    from daemon.cli.output import print_json_text
    from daemon.cli.tables import render, table_of

    content = read_json_bytes(file)
    media_type = "application/json" if content.lstrip()[:1] == b"[" else "application/x-ndjson"
    with connect(api) as client:
        reply = client.send_raw(
            "/v1/events/batch", content, media_type=media_type, headers=idempotency_headers(idempotency_key)
        )
        if as_json:
            print_json_text(reply.text)
        else:
            receipts = [(item["id"], item["deliveries"]) for item in reply.value["receipts"]]
            render(table_of(("event", "deliveries"), receipts))


@with_api_options
def list_events(
    type: Annotated[str | None, option("--type", "--event", metavar="TYPE", help="Only of this type.")] = None,
    idempotency_key: Annotated[
        str | None, option("--idempotency-key", metavar="KEY", help="Only those submitted with it (kept for 24 h).")
    ] = None,
    since: Annotated[str | None, option("--since", help=WHEN)] = None,
    until: Annotated[str | None, option("--until", help=WHEN)] = None,
    team_id: TeamFilter = None,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List events, the newest first."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list
    from daemon.cli.times import api_time

    filters = {"teamId": team_id, "type": type, "idempotencyKey": idempotency_key}
    query = {**filters, "since": api_time(since), "until": api_time(until), "limit": limit, "cursor": cursor}
    with connect(api) as client:
        print_list(
            client, "/v1/events", query=query, columns=_COLUMNS, row=_row, every_page=every_page, as_json=as_json
        )


@with_api_options
def show(event_id: Annotated[str, argument(metavar="EVENT")], as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Show an event: what was accepted, and its deliveries."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_json_text

    with connect(api) as client:
        reply = client.get(path_of("events", event_id))
        if as_json:
            print_json_text(reply.text)
        else:
            _print_event(reply)


@with_api_options
def erase(
    event_id: Annotated[str, argument(metavar="EVENT")],
    yes: Annotated[bool, option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Erase an event: its payload and what receivers answered are gone for good. That it happened stays."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_reply

    if not yes:
        click.confirm(f"Erase the payload of {event_id}, and what receivers answered, for good?", abort=True, err=True)
    with connect(api) as client:
        print_reply(client.delete(path_of("events", event_id)), as_json, _erased)


@with_api_options
def types(
    about: Annotated[
        About | None, option("--about", help="'operations': those of operational webhooks, not of the product.")
    ] = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the event types."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list

    with connect(api) as client:
        columns = ("id", "category", "description")
        print_list(
            client,
            "/v1/webhooks/test/events",
            query={"about": about},
            columns=columns,
            row=_type_row,
            every_page=False,
            as_json=as_json,
        )


@with_api_options
def example(event: Annotated[str, argument(metavar="TYPE")], *, api: ApiOptions) -> None:
    """Print the example payload of an event type, as JSON. Nothing is sent."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_json_text

    with connect(api) as client:
        print_json_text(client.get(path_of("webhooks", "test", "example", event)).text)


def _receipt(receipt: dict[str, Any]) -> list[tuple[str, Any]]:
    return [("event", receipt["id"]), ("deliveries", receipt["deliveries"])]


def _erased(event: dict[str, Any]) -> list[tuple[str, Any]]:
    state = "what its receivers answered follows" if event["erasing"] else "nothing of it is left"
    return [("event", event["id"]), ("erased", event["erasedAt"]), ("state", state)]


def _type_row(event_type: dict[str, Any]) -> tuple[Any, ...]:
    return event_type["id"], event_type["category"], event_type["description"]


def _row(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["id"], event["event"], event["acceptedAt"], _key_name(event), event["size"], event["test"]


def _key_name(event: dict[str, Any]) -> str | None:
    return event["key"] and str(event["key"]["name"])


def _print_event(reply: "Reply") -> None:
    from daemon.cli.deliveries import COLUMNS, row
    from daemon.cli.tables import list_of, record_of, render

    event = reply.value
    names = {"id": "id", "teamId": "team", "event": "type", "timestamp": "happened", "acceptedAt": "accepted"}
    fields = [(label, event[field]) for field, label in names.items()]
    body = "erased " + event["erasedAt"] if event.get("erasedAt") else _body_of(reply.text)
    submitted = (("key", _key_name(event)), ("idempotency key", event["idempotencyKey"]), ("bytes", event["size"]))
    render(record_of([*fields, *_terms(event), *submitted, ("test", event["test"]), ("body", body)]))
    render("\n[bold]deliveries[/]")
    render(list_of(COLUMNS, map(row, event["deliveries"])))


def _terms(event: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each of the event's terms, if it has any."""
    priority = None if event.get("priority") == "normal" else event.get("priority")
    lines = (("not before", event.get("deliverAt")), ("expires", event.get("expiresAt")), ("priority", priority))
    return [line for line in lines if line[1] is not None]


def _body_of(text: str) -> str:
    """Return the body within an event's JSON, for a person; its values as they are sent to receivers."""
    from msgspec import Raw
    from msgspec.json import decode

    from daemon.domain.readable_json import readable_json

    return readable_json(bytes(decode(text, type=dict[str, Raw])["body"]))
