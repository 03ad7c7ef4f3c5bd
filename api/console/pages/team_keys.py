"""The API keys of a team, on its settings page and on the operator's page about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from api.console.pages.lists import cursor, position
from api.console.session.page_request import PageRequest, with_query
from api.console.session.refusals import page_not_found
from api.http.json_body import validate
from api.routes.keys import CreatedKey, NewKey, create_key, revoke_key
from daemon.domain.model import ApiKey, KeyRole
from daemon.store.reads import api_reads

KEY_MISTAKE = {"key_name": "Enter a name of 1 to 200 characters: who or what uses the key."}
_PAGE = 25
_ROLES: Mapping[str, str] = MappingProxyType(
    {
        KeyRole.ADMIN: "Admin: everything of the team",
        KeyRole.SUBMIT: "Submit: send events, nothing else",
        KeyRole.READ: "Read: look, and change nothing",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamKeys:
    """A page of keys; `path` is where their forms go, `new` the key that is shown this once."""

    items: Sequence[ApiKey]
    path: str
    next_page: str
    first_page: str
    new: str | None
    typed_name: str
    typed_role: str
    roles: Mapping[str, str] = field(default_factory=lambda: _ROLES)


async def team_keys(request: PageRequest, team_id: str, path: str) -> TeamKeys:
    """Return the keys that the request asks for, newest first, for the page at this path."""
    found = await request.handles.reader.fetch(
        api_reads.list_keys, team_id, _PAGE, position(request, "keys", team=team_id)
    )
    following = cursor(request, "keys", found.next_cursor, team=team_id)
    return TeamKeys(
        items=found.items,
        path=path,
        next_page=with_query(path, cursor=following) if following else "",
        first_page=path if request.query("cursor") else "",
        new=request.secret_about(team_id),
        typed_name=request.form.text("key_name"),
        typed_role=request.form.text("role"),
    )


async def created_key(request: PageRequest, team_id: str) -> CreatedKey:
    """Make the key that the form asks for. Raises ApiError."""
    given = {"name": request.form.text("key_name"), "role": request.form.text("role") or KeyRole.ADMIN}
    return await create_key(request.call, team_id, validate(given, NewKey, request.call.known))


async def revoked_key(request: PageRequest, team_id: str, key_id: str) -> None:
    """Revoke one of the team's keys. Raises Refused (404)."""
    key = await request.handles.reader.fetch(api_reads.get_key, key_id)
    if key is None or key.team_id != team_id:
        raise page_not_found()
    await revoke_key(request.call, key_id)
