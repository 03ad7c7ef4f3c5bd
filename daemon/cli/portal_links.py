"""`kakiyo-webhooks teams portal-link` and its like: links that sign customers in to a team's console."""

from typing import Annotated, Any

from daemon.cli.declared import argument, option
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

_COLUMNS = ("id", "created", "expires", "last used", "may", "revoked")


@with_api_options
def create(
    team_id: Annotated[str, argument(metavar="TEAM")],
    minutes: Annotated[
        int | None, option("--minutes", metavar="NUMBER", help="For how long it is valid, instead of 60 minutes.")
    ] = None,
    read_only: Annotated[bool, option("--read-only", help="Let it look, but change nothing.")] = False,
    once: Annotated[bool, option("--once", help="Let it sign in once.")] = False,
    return_url: Annotated[
        str | None, option("--return-url", metavar="URL", help='Where "Back to ..." in the console leads.')
    ] = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Make a link that signs a customer in to the team's console. It is shown this once."""
    from daemon.cli.client import connect, path_of, present
    from daemon.cli.replies import print_reply

    given = {"expiresInMinutes": minutes, "readOnly": read_only or None, "once": once or None, "returnUrl": return_url}
    with connect(api) as client:
        path = path_of("teams", team_id, "portal-links")
        reply = client.send("POST", path, body=present(given), headers=idempotency_headers(idempotency_key))
        not_shown = f"The link {reply.value['id']} was made and never shown: make another one."
        print_reply(reply, as_json, fields=_new_link, not_shown=not_shown)


@with_api_options
def list_links(
    team_id: Annotated[str, argument(metavar="TEAM")],
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List a team's portal links, newest first, also those that are over."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_list

    with connect(api) as client:
        path, query = path_of("teams", team_id, "portal-links"), {"limit": limit, "cursor": cursor}
        print_list(client, path, query=query, columns=_COLUMNS, row=_row, every_page=every_page, as_json=as_json)


@with_api_options
def revoke(link_id: Annotated[str, argument(metavar="LINK_ID")], *, api: ApiOptions) -> None:
    """Revoke a portal link: its sessions end at once."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_line

    with connect(api) as client:
        client.delete(path_of("portal-links", link_id))
    print_line(f"Revoked {link_id}.")


def _row(link: dict[str, Any]) -> tuple[Any, ...]:
    may = f"{'look' if link['readOnly'] else 'change'}{', once' if link['once'] else ''}"
    return link["id"], link["createdAt"], link["expiresAt"], link["usedAt"], may, link["revokedAt"]


def _new_link(link: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("id", link["id"]),
        ("team", link["teamId"]),
        ("url", link["url"]),
        ("expires", link["expiresAt"]),
        ("note", "whoever has the url may sign in; it is shown this once"),
    ]
