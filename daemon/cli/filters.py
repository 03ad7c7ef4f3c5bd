"""Filters of webhooks on the command line: how one is given, shown and tried."""

from typing import Annotated, Any

import click

from daemon.cli.declared import argument, option
from daemon.cli.options import ApiOptions, AsJson, with_api_options

Filter = Annotated[
    str | None,
    option("--filter", metavar="CONDITION", help="Which events of its types it gets: a condition in JMESPath."),
]


@with_api_options
def filter_test(
    condition: Annotated[str, argument(metavar="CONDITION")],
    event_type: Annotated[
        str | None, option("--type", metavar="TYPE", help="Use the example of this event type.")
    ] = None,
    event_id: Annotated[str | None, option("--event-id", metavar="EVENT", help="Use this event.")] = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Say whether a webhook with this filter would get an event. Nothing is sent."""
    from daemon.cli.client import connect, present
    from daemon.cli.replies import print_reply

    if (event_type is None) == (event_id is None):
        raise click.UsageError("Give one of --type and --event-id.")
    body = present({"filter": condition, "eventType": event_type, "eventId": event_id})
    with connect(api) as client:
        print_reply(client.send("POST", "/v1/webhooks/filter/test", body), as_json, fields=_fields)


def _fields(tried: dict[str, Any]) -> list[tuple[str, Any]]:
    return [("matched", tried["matched"]), ("error", tried["error"]), ("steps", tried["steps"])]


def filter_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the lines of a webhook's filter, if it has one."""
    if (condition := webhook.get("filter")) is None:
        return []
    failures = webhook.get("filterFailures")
    told = [] if failures is None else [("filter failed", f"{failures['count']} times: {failures['lastError']}")]
    return [("filter", condition), *told]
