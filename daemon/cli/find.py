"""`kakiyo-webhooks find`: an event, a delivery or a webhook, by whatever is known of it."""

from typing import Annotated, Any

from daemon.cli.declared import argument, option
from daemon.cli.options import WHEN, ApiOptions, AsJson, Cursor, Limit, TeamFilter, with_api_options

_COLUMNS = ("id", "what", "name", "found in", "since")
_MATCHES = {"id": "its id", "idempotency_key": "its idempotency key", "payload": "its payload"}


@with_api_options
def find(
    q: Annotated[str, argument(metavar="TEXT")],
    since: Annotated[str | None, option("--since", help=WHEN)] = None,
    until: Annotated[str | None, option("--until", help=WHEN)] = None,
    team_id: TeamFilter = None,
    limit: Limit = None,
    cursor: Cursor = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Find TEXT: an id or its beginning, an idempotency key, data.path.to.field=value, or any text of a payload.

    Payloads are looked through from the newest on; without --team, the operator's key finds ids alone.
    """
    from daemon.cli.client import connect
    from daemon.cli.output import print_json_text
    from daemon.cli.times import api_time

    period = {"since": api_time(since), "until": api_time(until)}
    with connect(api) as client:
        reply = client.get("/v1/search", {"q": q, "teamId": team_id, **period, "limit": limit, "cursor": cursor})
        if as_json:
            print_json_text(reply.text)
        else:
            _print_found(reply.value, names_team=team_id is not None)


def _print_found(page: dict[str, Any], names_team: bool) -> None:
    from daemon.cli.tables import dimmed, list_of, render
    from daemon.domain.printable import printable

    if page["items"]:
        render(list_of(_COLUMNS, map(_row, page["items"])))
    else:
        render("[bright_black]none[/]")
        if not names_team and not page["lookedAt"]:
            render(dimmed("With the operator's key, add --team to look through idempotency keys and payloads, too."))
    if page["backTo"]:
        render(dimmed(f"Looked through the payloads of {page['lookedAt']:,} events, back to {page['backTo']}."))
    if page["nextCursor"]:
        render(dimmed(f"To look further back, add --cursor {printable(page['nextCursor'])}"))


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["id"], item["kind"], item["title"], _MATCHES.get(item["match"], item["match"]), item["at"]
