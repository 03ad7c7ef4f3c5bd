"""`kakiyo-webhooks trigger`: an example of an event type on its way to a team's webhooks."""

from typing import TYPE_CHECKING, Annotated, Any

import click

from daemon.cli.declared import argument, option
from daemon.cli.exits import ExitCode
from daemon.cli.options import ApiOptions, AsJson, IdempotencyKey, TeamFilter, idempotency_headers, with_api_options
from daemon.domain.operations import OPERATIONAL_TYPES

if TYPE_CHECKING:
    from daemon.cli.client import Client, Reply

    _Submitted = tuple[Reply, str, int]  # the answer, the event's id, how many deliveries it makes

_MOST_FOLLOWED = 200
_ENDED = frozenset({"succeeded", "failed", "cancelled"})


@with_api_options
def trigger(
    event: Annotated[str, argument(metavar="EVENT", help="The event type: `events types` lists them.")],
    team_id: TeamFilter = None,
    no_follow: Annotated[bool, option("--no-follow", help="End once it is submitted.")] = False,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Submit an example of an event type, and follow its deliveries to their end; 1 if one does not succeed.

    To the webhooks it is an event like any other: it is retried, counted and charged. An operational one goes to the
    team's operational webhooks, marked as a test.
    """
    from daemon.cli.client import connect
    from daemon.cli.replies import print_reply

    given, headers = {"event": event, "teamId": team_id}, idempotency_headers(idempotency_key)
    with connect(api) as client:
        submit = _submit_test if event in OPERATIONAL_TYPES else _submit_example
        reply, event_id, count = submit(client, given, headers)
        print_reply(reply, as_json, lambda _: [("event", event_id), ("deliveries", count)])
        if not (no_follow or as_json) and count:
            _follow(client, event_id, min(count, _MOST_FOLLOWED))


def _submit_example(client: "Client", given: dict[str, Any], headers: dict[str, str]) -> "_Submitted":
    from daemon.cli.client import json_bytes, path_of, present

    example = client.get(path_of("webhooks", "test", "example", given["event"])).text
    beside = json_bytes(present(given)).removesuffix(b"}")
    content = beside + b', "data": ' + _data_of(example) + b"}"
    reply = client.send_raw("/v1/events", content, media_type="application/json", headers=headers)
    return reply, reply.value["id"], reply.value["deliveries"]


def _submit_test(client: "Client", given: dict[str, Any], headers: dict[str, str]) -> "_Submitted":
    """Submit an operational event, which only the daemon does: as a test."""
    from daemon.cli.client import present

    reply = client.send("POST", "/v1/webhooks/test", body=present(given), headers=headers)
    return reply, reply.value["eventId"], reply.value["count"]


def _data_of(example: str) -> bytes:
    from msgspec import Raw
    from msgspec.json import decode

    return bytes(decode(example, type=dict[str, Raw])["data"])


def _follow(client: "Client", event_id: str, count: int) -> None:
    from daemon.cli.client import path_of
    from daemon.cli.delivery_lines import DeliveryLines
    from daemon.cli.following import follow

    lines, path = DeliveryLines((), as_json=False), path_of("events", event_id)
    deliveries: list[dict[str, Any]] = []

    def look() -> bool:
        deliveries[:] = client.get(path, {"limit": _MOST_FOLLOWED}).value["deliveries"]
        lines.show([item for item in deliveries if lines.note(item)])
        return len(deliveries) >= count and all(item["status"] in _ENDED for item in deliveries)

    team_id = client.get(path, {"limit": 1}).value["teamId"]
    follow(client, {"teamId": team_id}, look)
    if any(item["status"] != "succeeded" for item in deliveries):
        raise click.exceptions.Exit(ExitCode.REFUSED)
