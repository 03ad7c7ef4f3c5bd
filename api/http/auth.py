"""API keys: who is calling, and what they may see (contract "HTTP API")."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar, cast

from pydantic import BaseModel

from api.http.errors import ApiError, Code, not_found, unauthorized, unknown_team, wrong_field
from api.http.local import is_on_loopback, is_verified_local
from api.http.request import HttpRequest
from api.http.route import Access, Call, Route
from daemon.crypto.api_keys import Principal
from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import KeyRole
from daemon.handles import Handles
from daemon.store.reads import api_reads


class _HasTeam(Protocol):
    @property
    def team_id(self) -> str: ...


Owned = TypeVar("Owned", bound=_HasTeam)
KEY_PRESENTED = "kakiyo.key_shown"
ANYBODY = Principal(team_id="", key_id="")


async def authenticate(handles: Handles, request: HttpRequest, route: Route) -> Principal:
    """Return the caller. Raises ApiError: 401 without a valid key, 403 if this key may not call the route.

    A missing or malformed key is looked up like any other, so that timing reveals nothing.
    """
    access = route.access
    if access is Access.LOCAL and is_on_loopback(request):
        return ANYBODY
    if access is Access.LOCAL_OPERATOR and is_verified_local(request):
        return ANYBODY
    key = _bearer_token(request.headers.getlist("Authorization"))
    principal = handles.api_keys.find(key) or await find_newest(handles, key)
    if principal is None:
        raise unauthorized()
    handles.note_key_use(principal.key_id)
    mark_authenticated(request)
    if access in (Access.OPERATOR, Access.LOCAL_OPERATOR) and principal.team_id is not None:
        raise ApiError(Code.OPERATOR_ONLY, "This requires the operator's key: a team's key is not enough.")
    if access is Access.TEAM:
        require_role(principal, route.roles)
    return principal


def is_still_valid(call: Call) -> bool:
    """Whether the key of a request that takes long is still what it was when the request came."""
    key = _bearer_token(call.request.headers.getlist("Authorization"))
    return call.handles.api_keys.find(key) == call.principal


def require_role(principal: Principal, roles: Collection[KeyRole]) -> None:
    """Raise ApiError (403) if a team's key has none of these roles."""
    if principal.role not in roles:
        detail = f"This key has the role {principal.role}, which does not allow this: use a key with the role admin."
        raise ApiError(Code.ROLE_NOT_ENOUGH, detail)


async def find_newest(handles: Handles, key: str) -> Principal | None:
    """Return who is behind a key that is unknown so far: another node may have made it. None if nobody is."""
    if handles.follow is None:
        return None
    with suppress(StoreUnavailable):  # then nothing new can be told
        await handles.follow()
    return handles.api_keys.find(key)


def mark_authenticated(request: HttpRequest) -> None:
    """Tell the connection that a valid key or session was presented on it."""
    tell = cast("Callable[[], None] | None", request.scope.get(KEY_PRESENTED))
    if tell is not None:  # unset if the request did not come through our own server
        tell()


def owned(call: Call, found: Owned | None, what: str) -> Owned:
    """Return what was found. Raises ApiError (404) if it is None or does not exist for this key."""
    if found is None or call.principal.team_id not in (None, found.team_id):
        raise not_found(what)
    return found


def own_team(call: Call, team_id: str) -> str:
    """Return the id of the team in a path. Raises ApiError (404) if it does not exist for this key."""
    if call.principal.team_id not in (None, team_id):
        raise not_found("team")
    return team_id


async def team_named(call: Call, given: str | None, path: str) -> str | None:
    """Return the team that a request is about: a team key's own, or the operator's choice, None for all.

    `given` is its teamId, found at `path`. Raises ApiError (404) if that team does not exist for this key.
    """
    own = call.principal.team_id
    if given is None:
        return own
    is_there = (
        given == own if own is not None else await call.handles.reader.fetch(api_reads.get_team, given) is not None
    )
    if not is_there:
        raise unknown_team(path)
    return given


async def one_team(call: Call, given: str | None, path: str) -> str:
    """Return the same for a request that is always about one team. Raises ApiError (404, 422)."""
    team_id = await team_named(call, given, path)
    if team_id is None:
        raise wrong_field(path, "is missing: the operator must say which team")
    return team_id


async def tell_team(call: Call, body: BaseModel) -> None:
    """Raise ApiError (404) if the team does not exist that a body names, of which other fields are wrong."""
    await team_named(call, getattr(body, "team_id", None), "$.teamId")


def _bearer_token(headers: Sequence[str]) -> str:
    if len(headers) != 1:  # with two, a proxy in front of us may have checked the other one
        return ""
    scheme, _, token = headers[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
