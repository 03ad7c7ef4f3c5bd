"""A team's page, for the operator: its name and addresses, its keys, its credits."""

import re
from http import HTTPStatus

from quart import Response

from api.console.pages.team_keys import KEY_MISTAKE, created_key, revoked_key, team_keys
from api.console.pages.teams_page import number_or_none, team_mistakes
from api.console.session.page_request import PageRequest, address
from api.console.session.refusals import field_mistakes, page_not_found
from api.http.errors import ApiError, Code
from api.http.json_body import validate
from api.routes.credits import Grant, grant_credits
from api.routes.teams import TeamChange, change_team
from daemon.store.reads import api_reads

_AMOUNT = "Enter a whole number up to 1,000,000,000,000, below 0 to correct a grant; not 0."
_NOTE = "Enter at most 500 characters; a correction needs a note."
_WHOLE = re.compile("-?[0-9]{1,15}")


async def show_team(request: PageRequest, team_id: str) -> Response:
    """Show the team."""
    return await _show(request, team_id, {})


async def save(request: PageRequest, team_id: str) -> Response:
    """Change name, notification addresses, limit of webhooks and low credits, or show the mistakes."""
    given: dict[str, object] = {"name": request.form.text("name")}
    given |= {"notificationEmails": request.form.text("emails").split()}
    if request.form.has("maxWebhooks"):
        given |= {"maxWebhooks": number_or_none(request.form.text("maxWebhooks"))}
    if request.form.has("lowCredits"):
        given |= {"lowCredits": number_or_none(request.form.text("lowCredits"))}
    try:
        await change_team(request.call, team_id, validate(given, TeamChange, request.call.known))
    except ApiError as error:
        return await _show(request, team_id, team_mistakes(error))
    return request.done(address("teams", team_id), "team-saved")


async def create_key(request: PageRequest, team_id: str) -> Response:
    """Create an API key, and show it once."""
    try:
        made = await created_key(request, team_id)
    except ApiError as error:
        _require_about_fields(error)
        return await _show(request, team_id, KEY_MISTAKE)
    return request.with_secret(request.done(address("teams", team_id), "key-created"), team_id, made.key)


async def revoke_key(request: PageRequest, team_id: str, key_id: str) -> Response:
    """Revoke one of the team's keys."""
    await revoked_key(request, team_id, key_id)
    return request.done(address("teams", team_id), "key-revoked")


async def grant(request: PageRequest, team_id: str) -> Response:
    """Grant the team credits."""
    amount, note = request.form.text("amount"), request.form.text("note")
    given = {
        "teamId": team_id,
        "amount": int(amount) if _WHOLE.fullmatch(amount) else None,
    }
    try:
        await grant_credits(
            request.call, validate({**given, "note": note} if note else given, Grant, request.call.known)
        )
    except ApiError as error:
        _require_about_fields(error)
        words = {"amount": _AMOUNT, "note": _NOTE}
        return await _show(request, team_id, {name: words[name] for name in field_mistakes(error) if name in words})
    return request.done(address("teams", team_id), "credits-granted")


def _require_about_fields(error: ApiError) -> None:
    if error.code is not Code.INVALID_FIELD:
        raise error


async def _show(request: PageRequest, team_id: str, mistakes: dict[str, str]) -> Response:
    reader = request.handles.reader
    team = await reader.fetch(api_reads.get_team, team_id)
    if team is None:
        raise page_not_found()
    keys = await team_keys(request, team_id, address("teams", team_id))
    typed = {name: request.form.text(name) for name in ("amount", "note")}
    typed["name"] = request.form.text("name") if request.form.has("name") else team.name
    typed["emails"] = (
        request.form.exact("emails") if request.form.has("emails") else "\n".join(team.notification_emails)
    )
    for name, value in (("maxWebhooks", team.max_webhooks), ("lowCredits", team.low_credits)):
        own = "" if value is None else str(value)
        typed[name] = request.form.text(name) if request.form.has(name) else own
    page = await request.page(
        "team.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK,
        shown_team=team,
        keys=keys,
        balance=await reader.fetch(api_reads.get_balance, team_id),
        typed=typed,
        default_limit=request.handles.api_settings().webhooks_per_team,
        mistakes=mistakes,
    )
    return request.shown(page, team_id, keys.new)
