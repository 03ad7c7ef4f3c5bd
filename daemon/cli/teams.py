"""`kakiyo-webhooks teams`: the teams."""

import json
from typing import Annotated, Any

import click

from daemon.cli import addresses, portal_links
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

_Emails = Annotated[
    list[str] | None,
    option("--email", metavar="ADDRESS", help="Where to write, as when a webhook is disabled. May be repeated."),
]
_MaxWebhooks = Annotated[
    int | None,
    option("--max-webhooks", metavar="NUMBER", help="How many webhooks it may have, instead of the default."),
]
_LowCredits = Annotated[
    int | None,
    option("--low-credits", metavar="NUMBER", help="Write when its balance falls below this many credits."),
]
_TimeZone = Annotated[
    str | None,
    option("--time-zone", metavar="NAME", help="The IANA name of its people's time zone, such as Europe/Berlin."),
]
_COLUMNS = ("id", "name", "notification emails", "max webhooks", "created")


def build_teams() -> click.Group:
    """Return the group."""
    commands = {
        "create": create,
        "list": list_teams,
        "update": update,
        "audit": audit,
        "emails": addresses.list_emails,
        "add-email": addresses.add,
        "remove-email": addresses.remove,
        "portal-link": portal_links.create,
        "portal-links": portal_links.list_links,
        "revoke-portal-link": portal_links.revoke,
    }
    return group_of("teams", commands, help="Make, list and change teams.")


@with_api_options
def create(
    name: Annotated[str, option("--name", help="The team's name.")],
    team_id: Annotated[str | None, option("--id", help="The id to give it; without it one is made.")] = None,
    emails: _Emails = None,
    max_webhooks: _MaxWebhooks = None,
    low_credits: _LowCredits = None,
    time_zone: _TimeZone = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Make a team."""
    from daemon.cli.client import connect, present

    with connect(api) as client:
        low = present({"lowCredits": low_credits, "timeZone": time_zone})
        body = low | present({"id": team_id, "name": name, "notificationEmails": emails, "maxWebhooks": max_webhooks})
        _print_team(client.send("POST", "/v1/teams", body=body, headers=idempotency_headers(idempotency_key)), as_json)


@with_api_options
def list_teams(
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the teams."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list

    with connect(api) as client:
        query = {"limit": limit, "cursor": cursor}
        print_list(client, "/v1/teams", query=query, columns=_COLUMNS, row=_row, every_page=every_page, as_json=as_json)


@with_api_options
def audit(
    team_id: Annotated[str, argument(metavar="TEAM")],
    subject_id: Annotated[
        str | None, option("--about", metavar="ID", help="Only changes of this webhook, key or delivery.")
    ] = None,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Show who changed what of a team, newest first."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_list

    with connect(api) as client:
        path = path_of("teams", team_id, "audit")
        query = {"subjectId": subject_id, "limit": limit, "cursor": cursor}
        columns = ("time", "who", "from", "action", "what", "changes")
        print_list(client, path, query=query, columns=columns, row=_entry, every_page=every_page, as_json=as_json)


@with_api_options
def update(
    team_id: Annotated[str, argument(metavar="TEAM")],
    name: Annotated[str | None, option("--name", help="A new name.")] = None,
    emails: _Emails = None,
    no_emails: Annotated[bool, option("--no-emails", help="Write to nobody.")] = False,
    max_webhooks: _MaxWebhooks = None,
    low_credits: _LowCredits = None,
    time_zone: _TimeZone = None,
    no_low_credits: Annotated[bool, option("--no-low-credits", help="Tell it of no balance.")] = False,
    default_max_webhooks: Annotated[
        bool, option("--default-max-webhooks", help="Let it have as many webhooks as the settings say.")
    ] = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Change a team's name, time zone, limits, or notification emails (those given replace all that were there)."""
    from daemon.cli.client import connect, path_of, present

    with connect(api) as client:
        body = present({"name": name, "notificationEmails": [] if no_emails else emails, "maxWebhooks": max_webhooks})
        body |= present({"lowCredits": low_credits, "timeZone": time_zone})
        if no_low_credits:
            body["lowCredits"] = None
        if default_max_webhooks:
            body["maxWebhooks"] = None
        _print_team(client.send("PATCH", path_of("teams", team_id), body), as_json)


def _row(team: dict[str, Any]) -> tuple[Any, ...]:
    return team["id"], team["name"], team["notificationEmails"], team.get("maxWebhooks"), team["createdAt"]


def _print_team(reply: Any, as_json: bool) -> None:
    from daemon.cli.replies import print_reply

    print_reply(reply, as_json, lambda team: zip(_COLUMNS, _row(team), strict=True))


def _entry(entry: dict[str, Any]) -> tuple[Any, ...]:
    changes = ", ".join(f"{name}: {_changed(value)}" for name, value in entry["changes"].items())
    who = entry["createdAt"], entry["keyName"], entry["address"]
    return *who, entry["action"], entry["subjectId"], changes


def _changed(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_text(value['from'])} → {_text(value['to'])}"
    return _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
