"""Portal links: they sign a customer in to a team's console without a key (contract "Portal links")."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from api.http.cursors import page_of, position_of
from api.http.errors import Code, not_found
from api.http.idempotency import once
from api.http.route import Access, Call, Route, json_body
from api.http.wire import Input, Output, OutputTime, Page, PageQuery, format_optional_time, format_time
from daemon.domain import portal_links
from daemon.store.reads import api_reads

_MINUTE_MS = 60_000
LONGEST_MINUTES = 7 * 24 * 60
_LONGEST_URL = 2_048
_USUAL_MINUTES = 60


def _https_only(url: str) -> str:
    """Return an address that a page may link to. Raises ValueError for any other: browsers run some as scripts."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None  # which raises for what is no port
    except ValueError:
        host = None
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}')
    if not (host and is_plain and parts.scheme == "https" and "@" not in parts.netloc):
        raise ValueError("expected an address that begins with https:// and a host, without user info")
    return url


class NewPortalLink(Input):
    """A link to make."""

    expires_in_minutes: int = Field(
        _USUAL_MINUTES,
        ge=1,
        le=LONGEST_MINUTES,
        description="For how long it and its sessions are valid: 60 minutes if left out, 7 days at most.",
    )
    read_only: bool = Field(False, description="Whether its sessions may only look.")
    once: bool = Field(False, description="Whether it signs in once; otherwise until it expires.")
    return_url: Annotated[str, Field(max_length=_LONGEST_URL), AfterValidator(_https_only)] | None = Field(
        None, description="Where the console's “Back to …” leads: an https address."
    )


class PortalLink(Output):
    """A link without its token."""

    id: str = Field(description="The link's id.")
    team_id: str = Field(description="To whose console it leads.")
    read_only: bool = Field(description="Whether its sessions may only look.")
    once: bool = Field(description="Whether it signs in once.")
    return_url: str | None = Field(description="Where “Back to …” leads.")
    created_at: OutputTime = Field(description="When it was made.")
    expires_at: OutputTime = Field(description="When it and its sessions end.")
    used_at: OutputTime | None = Field(description="When somebody last signed in with it; null if nobody has.")
    revoked_at: OutputTime | None = Field(description="When it was revoked; null if it was not.")


class CreatedPortalLink(PortalLink):
    """A new link, with its address, which appears in this answer only."""

    url: str = Field(description="What to hand to the customer. Whoever has it may sign in.")


async def create_portal_link(call: Call, team_id: str, body: NewPortalLink) -> CreatedPortalLink:
    """Make a link for a team."""

    def show(made: tuple[portal_links.PortalLink, str]) -> CreatedPortalLink:
        link, token = made
        address = f"{call.handles.settings.public_url}/console/portal#{token}"
        return CreatedPortalLink(**_show(link).model_dump(), url=address)

    made = await call.handles.portal_links.create(
        team_id,
        lifetime_ms=body.expires_in_minutes * _MINUTE_MS,
        read_only=body.read_only,
        signs_in_once=body.once,
        return_url=body.return_url,
        once=once(call, show),
        by=call.by,
    )
    if made is None:
        raise not_found("team")
    return show(made)


async def list_portal_links(call: Call, team_id: str, query: PageQuery) -> Page[PortalLink]:
    """Answer with a team's links, newest first."""
    reader = call.handles.reader
    if await reader.fetch(api_reads.get_team, team_id) is None:
        raise not_found("team")
    found = await reader.fetch(api_reads.list_portal_links, team_id, query.limit, position_of(call, query.cursor))
    return page_of(call, [_show(link) for link in found.items], found.next_cursor)


async def revoke_portal_link(call: Call, link_id: str) -> None:
    """Revoke a link for good."""
    link = await call.handles.portal_links.find(link_id)
    if link is None:
        raise not_found("portal link")
    await call.handles.portal_links.revoke(link, by=call.by)


def _show(link: portal_links.PortalLink) -> PortalLink:
    return PortalLink(
        id=link.id,
        team_id=link.team_id,
        read_only=link.read_only,
        once=link.once,
        return_url=link.return_url,
        created_at=format_time(link.created_at),
        expires_at=format_time(link.expires_at),
        used_at=format_optional_time(link.used_at),
        revoked_at=format_optional_time(link.revoked_at),
    )


_EXAMPLE = {
    "id": "plk_01k0a3bq5w5y7a9c1e3g5j7m9p",
    "teamId": "team_acme",
    "readOnly": False,
    "once": True,
    "returnUrl": "https://app.example.com/settings",
    "createdAt": "2025-07-15T10:30:00.000Z",
    "expiresAt": "2025-07-15T11:30:00.000Z",
    "usedAt": None,
    "revokedAt": None,
}
_TAG = "Teams and keys"

ROUTES = (
    Route(
        "POST",
        "/v1/teams/{team_id}/portal-links",
        create_portal_link,
        tag=_TAG,
        summary="Make a link that signs a customer in",
        description="Its address appears in this answer only. It leads to the team's console, without a key.",
        access=Access.OPERATOR,
        body=json_body(
            NewPortalLink, {"expiresInMinutes": 60, "once": True, "returnUrl": "https://app.example.com/settings"}
        ),
        status=HTTPStatus.CREATED,
        answer=CreatedPortalLink,
        example={**_EXAMPLE, "url": "https://webhooks.example.com/console/portal#kwp_example-only-000000000000"},
        refusals=(Code.NOT_FOUND,),
        once=True,
    ),
    Route(
        "GET",
        "/v1/teams/{team_id}/portal-links",
        list_portal_links,
        tag=_TAG,
        summary="List a team's portal links",
        description="Newest first, also those that are over, for 30 days.",
        access=Access.OPERATOR,
        query=PageQuery,
        answer=Page[PortalLink],
        example={"items": [_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "DELETE",
        "/v1/portal-links/{link_id}",
        revoke_portal_link,
        tag=_TAG,
        summary="Revoke a portal link",
        description="It signs nobody in any more, and its sessions end at once, on every node.",
        access=Access.OPERATOR,
        status=HTTPStatus.NO_CONTENT,
        answer=None,
        refusals=(Code.NOT_FOUND,),
    ),
)
