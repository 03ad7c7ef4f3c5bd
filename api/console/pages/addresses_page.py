"""Notification addresses: a team's own, on its settings page, and the page by which one confirms itself.

Whoever confirms needs no key. As with a portal link, the token is behind the `#` of the link, the page is the same for
every link, and only its button confirms: a mail client or a scanner that opens the link does nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from quart import Request, Response

from api.console.rendering.look import Look, read_theme
from api.console.session.access import LOOK_COOKIE
from api.console.session.csrf import require_own_origin
from api.console.session.forms import read_form
from api.console.session.page_request import ConsoleContext, PageRequest, html
from api.http.errors import ApiError, Code, rate_limited
from api.http.json_body import validate
from api.http.peers import peer_address
from api.http.problems import as_refusal
from api.routes.addresses import Address, AddressQuery, NewAddress, add_address, list_addresses, remove_address
from daemon.domain.errors import DaemonError, LinkOver, TooManyAddresses

_OVER = "This link is not valid: it was used, was withdrawn or has expired. Ask the team to add the address once more."
_FULL = "The team has as many addresses as it may have: ask it to remove one, and then confirm once more."
_WRONG = "Enter an email address such as ops@example.com."
_ABOUT_THE_ADDRESS = (Code.INVALID_FIELD, Code.ADDRESS_QUOTA, Code.ADDRESS_CONFIRMED, Code.RATE_LIMITED)


@dataclass(frozen=True, slots=True)
class TeamAddresses:
    """A team's addresses on its settings page, and what was typed into the form for another one."""

    listed: Sequence[Address]
    typed: str


async def team_addresses(request: PageRequest) -> TeamAddresses:
    """Return the addresses of the page's team."""
    found = await list_addresses(request.call, request.team_id)
    return TeamAddresses(found.items, request.form.text("email"))


async def added_address(request: PageRequest) -> dict[str, str]:
    """Ask the address in the form; return the mistakes. Raises what is not about the address."""
    try:
        body = validate({"email": request.form.text("email")}, NewAddress, request.call.known)
        await add_address(request.call, request.team_id, body)
    except (ApiError, DaemonError) as raised:
        error = as_refusal(raised)
        if error.code not in _ABOUT_THE_ADDRESS:
            raise
        return {"email": _WRONG if error.code is Code.INVALID_FIELD else error.detail}
    return {}


async def removed_address(request: PageRequest) -> None:
    """Remove the address in the form; one that is gone already is none."""
    try:
        query = validate({"email": request.form.text("email")}, AddressQuery, request.call.known)
        await remove_address(request.call, request.team_id, query)
    except ApiError as error:
        if error.code not in (Code.NOT_FOUND, Code.INVALID_FIELD):
            raise


async def show_confirmation(context: ConsoleContext, request: Request) -> Response:
    """Show the button. It does not look at any link."""
    return await _confirmation(context, request)


async def confirm(context: ConsoleContext, request: Request) -> Response:
    """Have the team's mails go to the address whose link this is."""
    require_own_origin(request, context.handles.settings.public_url)
    peer = peer_address(request)
    if (wait_s := context.confirmations.take(peer or "", context.handles.now_ms() / 1000)) is not None:
        raise rate_limited(wait_s)
    token = (await read_form(request)).text("link").rpartition("#")[2]
    try:
        team, email = await context.handles.addresses.confirm(token, peer)
    except LinkOver:
        return await _confirmation(context, request, mistake=_OVER)
    except TooManyAddresses:
        return await _confirmation(context, request, mistake=_FULL)
    return await _confirmation(context, request, team_name=team.name, email=email)


async def _confirmation(
    context: ConsoleContext, request: Request, *, mistake: str = "", team_name: str = "", email: str = ""
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.OK
    look = Look(read_theme(context.cookies_of(request).find(LOOK_COOKIE) or ""))
    values = {"mistake": mistake, "team_name": team_name, "email": email}
    text = await context.templates.render("confirm_address.html", context.handles.now_ms(), look, **values)
    return html(text, status)
