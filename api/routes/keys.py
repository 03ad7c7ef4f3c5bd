"""The API keys of teams (contract "HTTP API"): shown once, stored hashed, revocable."""

from http import HTTPStatus

from pydantic import Field

from api.http.auth import own_team, owned
from api.http.cursors import page_of, position_of
from api.http.errors import Code, not_found
from api.http.idempotency import once
from api.http.route import ADMINS, Call, Route, json_body
from api.http.wire import Input, Name, Output, OutputTime, Page, PageQuery, format_optional_time, format_time
from daemon.domain import model
from daemon.domain.model import KeyRole
from daemon.store.reads import api_reads


class NewKey(Input):
    """A key to create."""

    name: Name = Field(description="A label for people: who or what uses the key.")
    role: KeyRole = Field(
        KeyRole.ADMIN,
        description="What it may do: all that its team may (admin), submit events, or read.",
        strict=False,
    )


class CreatedKey(Output):
    """A new key, which appears in this answer only."""

    id: str = Field(description="The key's id.")
    team_id: str = Field(description="Whose key it is.")
    name: str = Field(description="A label for people.")
    role: KeyRole = Field(description="What it may do.")
    key: str = Field(description="The value for `Authorization: Bearer`; keep it, it is not shown again.")
    created_at: OutputTime = Field(description="When it was made.")


class Key(Output):
    """A key without its secret."""

    id: str = Field(description="The key's id.")
    team_id: str = Field(description="Whose key it is.")
    name: str = Field(description="A label for people.")
    role: KeyRole = Field(description="What it may do.")
    created_at: OutputTime = Field(description="When it was made.")
    last_used_at: OutputTime | None = Field(description="When it was last used, to the minute; null if never.")
    revoked_at: OutputTime | None = Field(description="When it was revoked; null while it works.")


async def create_key(call: Call, team_id: str, body: NewKey) -> CreatedKey:
    """Make a key for a team."""
    created = await call.handles.teams.create_key(
        own_team(call, team_id), body.name, once(call, _show_created), role=body.role, by=call.by
    )
    if created is None:
        raise not_found("team")
    return _show_created(created)


def _show_created(created: tuple[model.ApiKey, str]) -> CreatedKey:
    key, secret = created
    return CreatedKey(
        id=key.id,
        team_id=key.team_id,
        name=key.name,
        role=key.role,
        key=secret,
        created_at=format_time(key.created_at),
    )


async def list_keys(call: Call, team_id: str, query: PageQuery) -> Page[Key]:
    """Answer with a team's keys, newest first."""
    reader = call.handles.reader
    if await reader.fetch(api_reads.get_team, own_team(call, team_id)) is None:
        raise not_found("team")
    found = await reader.fetch(api_reads.list_keys, team_id, query.limit, position_of(call, query.cursor))
    return page_of(call, [_show(key) for key in found.items], found.next_cursor)


async def revoke_key(call: Call, key_id: str) -> None:
    """Revoke a key for good."""
    owned(call, await call.handles.reader.fetch(api_reads.get_key, key_id), "key")
    if not await call.handles.teams.revoke_key(key_id, by=call.by):
        raise not_found("key")


def _show(key: model.ApiKey) -> Key:
    return Key(
        id=key.id,
        team_id=key.team_id,
        name=key.name,
        role=key.role,
        created_at=format_time(key.created_at),
        last_used_at=format_optional_time(key.last_used_at),
        revoked_at=format_optional_time(key.revoked_at),
    )


_KEY_EXAMPLE = {
    "id": "key_01k0a3bq5w5y7a9c1e3g5j7m9p",
    "teamId": "team_acme",
    "name": "CRM sync",
    "role": "admin",
    "createdAt": "2025-07-15T10:30:00.000Z",
}

ROUTES = (
    Route(
        "POST",
        "/v1/teams/{team_id}/keys",
        create_key,
        tag="Teams and keys",
        summary="Make a key",
        description="The key appears in this answer only.",
        body=json_body(NewKey, {"name": "CRM sync", "role": "submit"}),
        status=HTTPStatus.CREATED,
        answer=CreatedKey,
        example={**_KEY_EXAMPLE, "key": "kwh_example-only-0000000000000000000000"},
        refusals=(Code.NOT_FOUND,),
        once=True,
    ),
    Route(
        "GET",
        "/v1/teams/{team_id}/keys",
        list_keys,
        tag="Teams and keys",
        summary="List a team's keys",
        description="Newest first, revoked ones too.",
        only_for=ADMINS,
        query=PageQuery,
        answer=Page[Key],
        example={"items": [{**_KEY_EXAMPLE, "lastUsedAt": None, "revokedAt": None}], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "DELETE",
        "/v1/keys/{key_id}",
        revoke_key,
        tag="Teams and keys",
        summary="Revoke a key",
        description="It stops working at once, for good.",
        status=HTTPStatus.NO_CONTENT,
        answer=None,
        refusals=(Code.NOT_FOUND,),
    ),
)
