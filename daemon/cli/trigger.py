"""`kakiyo-webhooks trigger`: an example of an event type on its way to a team's webhooks."""

from typing import TYPE_CHECKING, Annotated, Any

import click

from daemon.cli.declared import argument, option
from daemon.cli.exits import ExitCode
from daemon.cli.options import ApiOptions, AsJson, IdempotencyKey, TeamFilter, idempotency_headers, with_api_options

if TYPE_CHECKING:
    from daemon.cli.client import Client

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

    To the webhooks it is an event like any other: it is retried, counted and charged.
    """
    from daemon.cli.client import connect, json_bytes, path_of, present
    from daemon.cli.replies import print_reply

    with connect(api) as client:
        example = client.get(path_of("webhooks", "test", "example", event)).text
        beside = json_bytes(present({"event": event, "teamId": team_id})).removesuffix(b"}")
        content, headers = beside + b', "data": ' + _data_of(example) + b"}", idempotency_headers(idempotency_key)
        reply = client.send_raw("/v1/events", content, media_type="application/json", headers=headers)
        print_reply(reply, as_json, lambda receipt: [("event", receipt["id"]), ("deliveries", receipt["deliveries"])])
        if not (no_follow or as_json) and reply.value["deliveries"]:
            _follow(client, reply.value["id"], min(reply.value["deliveries"], _MOST_FOLLOWED))


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
