"""`kakiyo-webhooks keys`: the API keys of teams."""

from enum import StrEnum
from typing import Annotated, Any

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


class _Role(StrEnum):
    """What a key may do."""

    ADMIN = "admin"
    SUBMIT = "submit"
    READ = "read"


_Team = Annotated[str, option("--team", metavar="ID", help="The team whose keys these are.")]


def build_keys() -> click.Group:
    """Return the group."""
    commands = {"create": create, "list": list_keys, "revoke": revoke}
    return group_of("keys", commands, help="Make, list and revoke a team's API keys.")


@with_api_options
def create(
    team_id: _Team,
    name: Annotated[str, option("--name", help="What the key is for.")],
    role: Annotated[_Role | None, option("--role", help="What it may do: everything of its team, if left out.")] = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Make a key for a team. It is shown this once."""
    from daemon.cli.client import connect, path_of, present
    from daemon.cli.replies import print_reply

    with connect(api) as client:
        reply = client.send(
            "POST",
            path_of("teams", team_id, "keys"),
            body=present({"name": name, "role": role}),
            headers=idempotency_headers(idempotency_key),
        )
        key_id = reply.value["id"]
        not_shown = f"Key {key_id} was made and never shown: revoke it with `keys revoke {key_id}`, and make another."
        print_reply(reply, as_json, fields=_new_key, not_shown=not_shown)


@with_api_options
def list_keys(
    team_id: _Team,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List a team's keys, without their secret part."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_list

    with connect(api) as client:
        path, query = path_of("teams", team_id, "keys"), {"limit": limit, "cursor": cursor}
        columns = ("id", "name", "role", "created", "last used", "revoked")
        print_list(client, path, query=query, columns=columns, row=_row, every_page=every_page, as_json=as_json)


@with_api_options
def revoke(key_id: Annotated[str, argument(metavar="KEY_ID")], *, api: ApiOptions) -> None:
    """Revoke a key: from now on it is refused."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_line

    with connect(api) as client:
        client.delete(path_of("keys", key_id))
    print_line(f"Revoked {key_id}.")


def _row(key: dict[str, Any]) -> tuple[Any, ...]:
    return key["id"], key["name"], key["role"], key["createdAt"], key["lastUsedAt"], key["revokedAt"]


def _new_key(key: dict[str, Any]) -> list[tuple[str, Any]]:
    shown_once = "the key is shown this once: keep it now"
    return [
        ("id", key["id"]),
        ("team", key["teamId"]),
        ("name", key["name"]),
        ("role", key["role"]),
        ("key", key["key"]),
        ("note", shown_once),
    ]
