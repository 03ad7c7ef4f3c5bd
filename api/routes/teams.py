"""Teams, and who a key belongs to (contract "HTTP API")."""

from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from api.http.auth import own_team
from api.http.cursors import page_of, position_of
from api.http.errors import ApiError, Code, not_found, wrong_field
from api.http.idempotency import once
from api.http.known import FreeId
from api.http.route import ALL_ROLES, Access, Call, Route, json_body
from api.http.wire import Input, Name, Output, OutputTime, Page, PageQuery, format_time
from daemon.domain import model
from daemon.domain.email_addresses import MAX_ADDRESS, parse_address
from daemon.domain.model import KeyRole
from daemon.domain.time_zones import LONGEST_NAME, find_zone
from daemon.store.reads import api_reads

_TEAM_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_QUOTA = "The maximum number of webhooks; null for the configured default."
_LOW = "The team is told by email when its balance falls below it; null: never."
LowCredits = Annotated[int, Field(ge=0, le=10**15)]
TimeZone = Annotated[str, Field(max_length=LONGEST_NAME)]
MaxWebhooks = Annotated[int, Field(ge=0, le=100_000)]


def _email(value: str) -> str:
    if parse_address(value) is None:
        raise ValueError("expected an email address such as ops@example.com")
    return value


EMAIL_EXAMPLE = "ops@acme.example"
_ZONE = (
    "The time zone of its people, by its IANA name, such as Europe/Berlin: of the times in mails, and in the console."
)
# No `format`: generated validators would apply rules other than ours.
_EMAIL_SCHEMA = {"type": "string", "pattern": ".@.", "maxLength": MAX_ADDRESS}
Email = Annotated[str, AfterValidator(_email), WithJsonSchema(_EMAIL_SCHEMA)]
Emails = Annotated[list[Email], Field(max_length=20)]


class NewTeam(Input):
    """A team to create."""

    id: FreeId = Field(None, pattern=_TEAM_ID, description="The product's own id for the team; optional.")
    name: Name = Field(description="A label for people.")
    notification_emails: Emails = Field(default_factory=list, description="Who is told when a webhook is disabled.")
    max_webhooks: MaxWebhooks | None = Field(None, description=_QUOTA)
    low_credits: LowCredits | None = Field(None, description=_LOW)
    time_zone: TimeZone = Field("UTC", description=_ZONE)


class TeamChange(Input):
    """Changes to a team; fields that are left out stay as they are."""

    name: Name = Field(default_factory=str, description="A label for people.")
    notification_emails: Emails = Field(default_factory=list, description="Who is told when a webhook is disabled.")
    max_webhooks: MaxWebhooks | None = Field(default_factory=lambda: None, description=_QUOTA)
    low_credits: LowCredits | None = Field(default_factory=lambda: None, description=_LOW)
    time_zone: TimeZone = Field(default_factory=str, description=_ZONE)


class Team(Output):
    """A team: it owns webhooks, keys and credits."""

    id: str = Field(description="The team's id.")
    name: str = Field(description="A label for people.")
    notification_emails: list[str] = Field(description="Who is told when a webhook is disabled.")
    max_webhooks: int | None = Field(description=_QUOTA)
    low_credits: int | None = Field(description=_LOW)
    time_zone: str = Field(description=_ZONE)
    created_at: OutputTime = Field(description="When it was made.")


class Identity(Output):
    """Who a key belongs to."""

    team_id: str | None = Field(description="null for the operator.")
    name: str | None = Field(description="The team's name; null for the operator.")
    operator: bool = Field(description="Whether the key may act for every team.")
    role: KeyRole | None = Field(description="What a team's key may do; null for the operator.")


async def verify_key(call: Call) -> Identity:
    """Answer with the key's owner."""
    team_id = call.principal.team_id
    team = None if team_id is None else await call.handles.reader.fetch(api_reads.get_team, team_id)
    role = None if team_id is None else call.principal.role
    return Identity(team_id=team_id, name=team and team.name, operator=team_id is None, role=role)


async def create_team(call: Call, body: NewTeam) -> Team:
    """Make a team."""
    emails = tuple(body.notification_emails)
    team = await call.handles.teams.create(
        body.id,
        body.name,
        emails,
        max_webhooks=body.max_webhooks,
        low_credits=body.low_credits,
        time_zone=await _known_zone(call, body.time_zone),
        once=once(call, _show),
        by=call.by,
    )
    return _show(team)


async def list_teams(call: Call, query: PageQuery) -> Page[Team]:
    """Answer with all teams, newest first."""
    found = await call.handles.reader.fetch(api_reads.list_teams, query.limit, position_of(call, query.cursor))
    return page_of(call, [_show(team) for team in found.items], found.next_cursor)


async def get_team(call: Call, team_id: str) -> Team:
    """Answer with one team."""
    team = await call.handles.reader.fetch(api_reads.get_team, own_team(call, team_id))
    if team is None:
        raise not_found("team")
    return _show(team)


async def change_team(call: Call, team_id: str, body: TeamChange) -> Team:
    """Change what the body names."""
    own_team(call, team_id)
    given = body.model_fields_set
    if not call.principal.is_operator and given - {"name", "time_zone"}:
        sentence = "A team's key changes name and timeZone only: leave out the other fields."
        raise ApiError(Code.OPERATOR_ONLY, sentence)
    zone = await _known_zone(call, body.time_zone) if "time_zone" in given else None
    change = model.TeamEdit(
        name=body.name or None,
        notification_emails=tuple(body.notification_emails) if "notification_emails" in given else None,
        max_webhooks=body.max_webhooks,
        default_max_webhooks="max_webhooks" in given and body.max_webhooks is None,
        low_credits=body.low_credits,
        no_low_credits="low_credits" in given and body.low_credits is None,
        time_zone=zone,
    )
    team = await call.handles.teams.change(team_id, change, by=call.by)
    if team is None:
        raise not_found("team")
    return _show(team)


async def _known_zone(call: Call, name: str) -> str:
    """Return the name of a time zone that the machine has. Raises ApiError (422)."""
    if await call.run_in_thread(lambda: find_zone(name)) is None:
        raise wrong_field("$.timeZone", "expected the IANA name of a time zone, such as Europe/Berlin, or UTC")
    return name


def _show(team: model.Team) -> Team:
    return Team(
        id=team.id,
        name=team.name,
        notification_emails=list(team.notification_emails),
        max_webhooks=team.max_webhooks,
        low_credits=team.low_credits,
        time_zone=team.time_zone,
        created_at=format_time(team.created_at),
    )


_CHANGE_EXAMPLE = {
    "name": "Acme",
    "notificationEmails": [EMAIL_EXAMPLE],
    "maxWebhooks": 250,
    "lowCredits": 500,
    "timeZone": "Europe/Berlin",
}
_TEAM_EXAMPLE = {"id": "team_acme", **_CHANGE_EXAMPLE, "createdAt": "2025-07-15T10:30:00.000Z"}

ROUTES = (
    Route(
        "GET",
        "/v1/verify",
        verify_key,
        tag="Teams and keys",
        summary="Check a key",
        description="Answers with the key's team, or 401: integrations test their credentials with it.",
        only_for=ALL_ROLES,
        answer=Identity,
        example={"teamId": "team_acme", "name": "Acme", "operator": False, "role": "admin"},
    ),
    Route(
        "POST",
        "/v1/teams",
        create_team,
        tag="Teams and keys",
        summary="Make a team",
        description="Its balance starts at 0.",
        access=Access.OPERATOR,
        body=json_body(NewTeam, {"id": "team_acme", **_CHANGE_EXAMPLE}),
        status=HTTPStatus.CREATED,
        answer=Team,
        example=_TEAM_EXAMPLE,
        refusals=(Code.TEAM_EXISTS,),
        once=True,
    ),
    Route(
        "GET",
        "/v1/teams",
        list_teams,
        tag="Teams and keys",
        summary="List teams",
        description="All teams, newest first.",
        access=Access.OPERATOR,
        query=PageQuery,
        answer=Page[Team],
        example={"items": [_TEAM_EXAMPLE], "nextCursor": None},
    ),
    Route(
        "GET",
        "/v1/teams/{team_id}",
        get_team,
        tag="Teams and keys",
        summary="Look at a team",
        description="Its name, notification addresses and limit of webhooks.",
        answer=Team,
        example=_TEAM_EXAMPLE,
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "PATCH",
        "/v1/teams/{team_id}",
        change_team,
        tag="Teams and keys",
        summary="Change a team",
        description="Any of name, notificationEmails, maxWebhooks, lowCredits, timeZone; a team's own key may change "
        "name and timeZone.",
        body=json_body(TeamChange, _CHANGE_EXAMPLE),
        answer=Team,
        example=_TEAM_EXAMPLE,
        refusals=(Code.NOT_FOUND, Code.OPERATOR_ONLY),
    ),
)
