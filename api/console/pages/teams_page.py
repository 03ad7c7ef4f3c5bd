"""The teams, for the operator: choose one, or create one."""

import re
from http import HTTPStatus

from quart import Response

from api.console.pages.lists import cursor, position
from api.console.session.page_request import PageRequest, address, see_other
from api.console.session.refusals import field_mistakes
from api.http.errors import ApiError, Code, from_daemon
from api.http.json_body import validate
from api.routes.teams import NewTeam, create_team
from daemon.domain.errors import AlreadyExists
from daemon.domain.operations import OPERATORS_TEAM
from daemon.store.reads import api_reads

_PAGE = 50
_WHOLE = re.compile("[0-9]{1,15}")
TEAM_WORDS = {
    "id": "Use 1 to 100 letters, digits, dots, underscores or hyphens, the first a letter or a digit.",
    "name": "Enter a name of 1 to 200 characters.",
    "maxWebhooks": "Enter a whole number from 0 to 100,000, or nothing for the default.",
    "lowCredits": "Enter a whole number from 0 to 1,000,000,000,000,000, or nothing.",
    "notificationEmails": "Enter email addresses such as ops@example.com, one a line.",
}


async def show_teams(request: PageRequest) -> Response:
    """Show the teams, newest first, and the form for a new one."""
    return await _show(request, {}, {})


async def create(request: PageRequest) -> Response:
    """Create a team and show it, or show the mistakes."""
    typed = {name: request.form.text(name) for name in ("id", "name", "emails", "maxWebhooks")}
    given = {
        "name": typed["name"],
        "notificationEmails": typed["emails"].split(),
        "maxWebhooks": number_or_none(typed["maxWebhooks"]),
    }
    try:
        team = await create_team(
            request.call, validate({**given, "id": typed["id"]} if typed["id"] else given, NewTeam, request.call.known)
        )
    except ApiError as error:
        return await _show(request, typed, team_mistakes(error))
    except AlreadyExists as error:
        return await _show(request, typed, {"id": from_daemon(error).detail})
    return request.done(address("teams", team.id), "team-created")


async def open_operators(request: PageRequest) -> Response:
    """Make the operator's own team, if it is not there yet, and lead to its webhooks."""
    await request.handles.teams.make_operators_team(by=request.call.by)
    return see_other(address("teams", OPERATORS_TEAM, "webhooks"))


def number_or_none(typed: str) -> int | str | None:
    """Return what was typed as a number, None for nothing, or the text as it is, which validation then refuses."""
    return int(typed) if _WHOLE.fullmatch(typed) else typed or None


def team_mistakes(error: ApiError) -> dict[str, str]:
    """Return the mistakes in a team's form, by field. Raises the error if it is not about a field."""
    if error.code is not Code.INVALID_FIELD:
        raise error
    return {name: TEAM_WORDS.get(name, message) for name, message in field_mistakes(error).items()}


async def _show(request: PageRequest, typed: dict[str, str], mistakes: dict[str, str]) -> Response:
    page = await request.handles.reader.fetch(api_reads.list_teams, _PAGE, position(request, "teams"))
    return await request.page(
        "teams.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK,
        teams=page.items,
        next_page=address("teams", cursor=cursor(request, "teams", page.next_cursor)) if page.next_cursor else "",
        first_page=address("teams") if request.query("cursor") else "",
        typed=typed,
        default_limit=request.handles.api_settings().webhooks_per_team,
        mistakes=mistakes,
    )
