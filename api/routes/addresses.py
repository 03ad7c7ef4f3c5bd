"""A team's notification addresses, which it adds and removes itself (contract "Notification addresses")."""

from http import HTTPStatus

from pydantic import Field

from api.http.auth import own_team
from api.http.errors import Code, not_found
from api.http.idempotency import once
from api.http.route import ADMINS, Call, Route, json_body
from api.http.wire import Input, Output, OutputTime, Page, format_optional_time
from api.routes.teams import EMAIL_EXAMPLE, Email
from daemon.domain.team_addresses import PendingAddress
from daemon.store.reads import api_reads


class NewAddress(Input):
    """An address to add."""

    email: Email = Field(description="Who is asked by a mail whether the team's mails may go there.")


class AddressQuery(Input):
    """Which address to remove."""

    email: Email = Field(description="The address, as it is listed.")


class Address(Output):
    """A notification address."""

    email: str = Field(description="The address.")
    confirmed: bool = Field(description="Whether the team's mails go there.")
    asked_at: OutputTime | None = Field(description="When it was asked; null once it is confirmed.")
    expires_at: OutputTime | None = Field(description="Until when it may confirm; null once it has.")


async def add_address(call: Call, team_id: str, body: NewAddress) -> Address:
    """Ask an address by a mail."""
    asked = await call.handles.addresses.ask(own_team(call, team_id), body.email, once(call, _show), by=call.by)
    if asked is None:
        raise not_found("team")
    return _show(asked)


async def list_addresses(call: Call, team_id: str) -> Page[Address]:
    """Answer with a team's addresses: they are so few that one page has all."""
    reader = call.handles.reader
    team = await reader.fetch(api_reads.get_team, own_team(call, team_id))
    if team is None:
        raise not_found("team")
    asked = await reader.fetch(api_reads.pending_addresses, team_id, call.handles.now_ms())
    confirmed = [
        Address(email=email, confirmed=True, asked_at=None, expires_at=None) for email in team.notification_emails
    ]
    unconfirmed = [_show(one) for one in asked if one.email not in team.notification_emails]
    return Page(items=confirmed + unconfirmed, next_cursor=None)


async def remove_address(call: Call, team_id: str, query: AddressQuery) -> None:
    """Have nothing more sent to an address."""
    if not await call.handles.addresses.remove(own_team(call, team_id), query.email, by=call.by):
        raise not_found("address")


def _show(asked: PendingAddress) -> Address:
    return Address(
        email=asked.email,
        confirmed=False,
        asked_at=format_optional_time(asked.created_at),
        expires_at=format_optional_time(asked.expires_at),
    )


_PATH = "/v1/teams/{team_id}/notification-emails"
_TAG = "Teams and keys"
_EXAMPLE = {
    "email": EMAIL_EXAMPLE,
    "confirmed": False,
    "askedAt": "2025-07-15T10:30:00.000Z",
    "expiresAt": "2025-07-18T10:30:00.000Z",
}

ROUTES = (
    Route(
        "POST",
        _PATH,
        add_address,
        tag=_TAG,
        summary="Add a notification address",
        description="It is asked by a mail; nothing else is sent there until it has confirmed, within three days. A "
        "team may ask 10 times in 24 hours, and one mailbox be asked 3 times.",
        body=json_body(NewAddress, {"email": EMAIL_EXAMPLE}),
        status=HTTPStatus.ACCEPTED,
        answer=Address,
        example=_EXAMPLE,
        refusals=(Code.NOT_FOUND, Code.ADDRESS_QUOTA, Code.ADDRESS_CONFIRMED, Code.RATE_LIMITED),
        once=True,
    ),
    Route(
        "GET",
        _PATH,
        list_addresses,
        tag=_TAG,
        summary="List notification addresses",
        description="Those that get mails, then those that were asked and may still confirm.",
        answer=Page[Address],
        example={"items": [_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "DELETE",
        _PATH,
        remove_address,
        tag=_TAG,
        summary="Remove a notification address",
        description="Nothing more is sent there, and a mail that asks it is void.",
        only_for=ADMINS,
        query=AddressQuery,
        status=HTTPStatus.NO_CONTENT,
        answer=None,
        refusals=(Code.NOT_FOUND,),
    ),
)
