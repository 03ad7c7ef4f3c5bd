"""`kakiyo-webhooks nodes`: the nodes that share a database."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import click

from daemon.cli.declared import argument, command_of, group_calling, option
from daemon.cli.options import AllPages, ApiOptions, AsJson, Cursor, Limit, with_api_options

if TYPE_CHECKING:
    from daemon.cli.client import Client

_COLUMNS = ("name", "state", "shards", "events/s", "lease age", "since", "host", "version", "number", "ended because")
_LOOK_EVERY_S = 1


def build_nodes() -> click.Group:
    """Return the group; without a command it lists."""
    commands = {"drain": command_of("drain", drain)}
    return group_calling("nodes", list_nodes, commands, invoke_without_command=True)


@with_api_options
def list_nodes(
    context: click.Context,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the nodes that live, and those that ended within the last hour; `drain NAME` drains one."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list

    if context.invoked_subcommand is not None:
        return
    with connect(api) as client:
        query = {"limit": limit, "cursor": cursor}
        print_list(
            client,
            "/v1/nodes",
            query=query,
            columns=_COLUMNS,
            row=_row,
            every_page=every_page,
            as_json=as_json,
            notes=_differences,
        )


@with_api_options
def drain(
    name: Annotated[str, argument(metavar="NAME")],
    wait: Annotated[bool, option("--wait", help="Wait until the node has given all its shards away.")] = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Have a node give its shards to the others: it accepts, and delivers nothing until its next start."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_json_text
    from daemon.cli.tables import list_of, render

    with connect(api) as client:
        reply = client.send("POST", path_of("nodes", name, "drain"), body={})
        items = reply.value["items"]
        while wait and any(item["shards"] for item in items):
            time.sleep(_LOOK_EVERY_S)
            items = _living(client, name)
        if as_json:
            print_json_text(reply.text)
        else:
            render(list_of(_COLUMNS, map(_row, items)))


def _living(client: "Client", name: str) -> list[dict[str, Any]]:
    found = [item for page in client.pages("/v1/nodes", {}) for item in page.value["items"]]
    return [item for item in found if item["name"] == name and item["state"] != "ended"]


def _differences(node: dict[str, Any]) -> list[str]:
    return [f"Give all nodes the same: {difference}." for difference in node.get("differences", ())]


def _row(node: dict[str, Any]) -> tuple[Any, ...]:
    age, pace = node["leaseAgeMs"], node["eventsPerSecond"]
    return (
        node["name"],
        node["state"],
        node["shards"],
        None if pace is None else f"{pace:.1f}",
        None if age is None else f"{age} ms",
        node["since"],
        node["host"],
        node["version"],
        node["number"],
        node["endedBecause"],
    )
