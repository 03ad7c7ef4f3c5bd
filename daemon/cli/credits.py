"""`kakiyo-webhooks credits`: a team's balance and ledger."""

from typing import Annotated, Any

import click

from daemon.cli.declared import group_of, option
from daemon.cli.options import (
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

_ENTRY_COLUMNS = ("id", "time", "amount", "balance after", "delivery", "note")


def build_credits() -> click.Group:
    """Return the group."""
    commands = {"show": show, "grant": grant, "entries": entries}
    return group_of("credits", commands, help="Look at credits, and grant them.")


@with_api_options
def show(team_id: TeamFilter = None, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Show the balance."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_reply

    with connect(api) as client:
        print_reply(client.get("/v1/credits", {"teamId": team_id}), as_json, _balance)


@with_api_options
def grant(
    team_id: Annotated[str, option("--team", metavar="ID", help="The team that gets them.")],
    amount: Annotated[int, option("--amount", help="How many credits; below 0 to correct a grant.")],
    note: Annotated[
        str | None, option("--note", help="What for; it stands in the ledger, and a correction needs it.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Grant credits to a team."""
    from daemon.cli.client import connect, present
    from daemon.cli.replies import print_reply

    body = present({"teamId": team_id, "amount": amount, "note": note})
    with connect(api) as client:
        reply = client.send("POST", "/v1/credits/grants", body=body, headers=idempotency_headers(idempotency_key))
        print_reply(reply, as_json, lambda entry: zip(_ENTRY_COLUMNS, _entry_row(entry), strict=True))


@with_api_options
def entries(
    team_id: TeamFilter = None,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the ledger: grants and debits, the newest first."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list

    query = {"teamId": team_id, "limit": limit, "cursor": cursor}
    with connect(api) as client:
        print_list(
            client,
            "/v1/credits/entries",
            query=query,
            columns=_ENTRY_COLUMNS,
            row=_entry_row,
            every_page=every_page,
            as_json=as_json,
        )


def _balance(credit: dict[str, Any]) -> list[tuple[str, Any]]:
    enforced = "yes: deliveries wait when the balance is used up" if credit["enforce"] else "no: only counted"
    price = credit["perDelivery"]
    return [("team", credit["teamId"]), ("balance", credit["balance"]), ("per delivery", price), ("enforced", enforced)]


def _entry_row(entry: dict[str, Any]) -> tuple[Any, ...]:
    amount = f"{entry['amount']:+d}"
    return entry["id"], entry["createdAt"], amount, entry["balanceAfter"], entry["deliveryId"], entry["note"]
