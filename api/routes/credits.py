"""Credits: balance, ledger, grants (contract "Credits")."""

from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from api.http.auth import one_team, tell_team
from api.http.cursors import page_of, position_of
from api.http.errors import Code, unknown_team, wrong_field
from api.http.idempotency import once
from api.http.known import OneTeam
from api.http.route import Access, Call, Route, json_body
from api.http.wire import Input, Note, Output, OutputTime, Page, PageQuery, format_time
from daemon.domain import model
from daemon.domain.errors import BalanceOutOfRange
from daemon.store.reads import api_reads

_LARGEST_GRANT = 10**12


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("must not be 0")
    return value


def _there_for_corrections(value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.data.get("amount", 0) < 0:
        raise ValueError("is missing: a negative amount corrects a grant, so say which and why")
    return value


Amount = Annotated[int, AfterValidator(_not_zero)]
CorrectionNote = Annotated[Note | None, AfterValidator(_there_for_corrections)]


class TeamQuery(Input):
    """Which team it is about."""

    team_id: OneTeam = Field(None, description="The team. A team's key may leave it out, the operator must give it.")


class LedgerQuery(PageQuery):
    """Whose ledger, and which page of it."""

    team_id: OneTeam = Field(None, description="The team. A team's key may leave it out, the operator must give it.")


class Grant(Input):
    """Credits to grant."""

    team_id: str = Field(description="Who gets them.")
    amount: Amount = Field(
        ge=-_LARGEST_GRANT,
        le=_LARGEST_GRANT,
        description="How many; below 0 to correct a grant, which needs a note. Not 0.",
        json_schema_extra={"not": {"const": 0}},
    )
    note: CorrectionNote = Field(None, validate_default=True, description="Why; shown in the ledger.")


class Balance(Output):
    """A team's credits now, and what deliveries cost."""

    team_id: str = Field(description="Whose credits they are.")
    balance: int = Field(description="It may be below 0 unless `enforce` is true.")
    per_delivery: int = Field(description="What a successful delivery costs.")
    enforce: bool = Field(description="Whether deliveries wait when the balance cannot pay for them.")


class CreditEntry(Output):
    """A line of a team's ledger."""

    id: str = Field(description="The entry's id.")
    team_id: str = Field(description="Whose credits they are.")
    amount: int = Field(description="Above 0: granted; below 0: spent, or a grant corrected.")
    balance_after: int = Field(description="The balance after this entry.")
    created_at: OutputTime = Field(description="When it was granted or spent.")
    delivery_id: str | None = Field(description="The delivery that was paid for.")
    note: str | None = Field(description="The note given with the grant.")


async def get_credits(call: Call, query: TeamQuery) -> Balance:
    """Answer with the team's balance."""
    team_id = await one_team(call, query.team_id, "query.teamId")
    price = call.handles.settings.credits
    balance = await call.handles.reader.fetch(api_reads.get_balance, team_id)
    return Balance(team_id=team_id, balance=balance, per_delivery=price.per_delivery, enforce=price.enforce)


async def list_credit_entries(call: Call, query: LedgerQuery) -> Page[CreditEntry]:
    """Answer with the team's ledger, newest first."""
    team_id = await one_team(call, query.team_id, "query.teamId")
    found = await call.handles.reader.fetch(
        api_reads.list_credit_entries, team_id, query.limit, position_of(call, query.cursor)
    )
    return page_of(call, [show_entry(entry) for entry in found.items], found.next_cursor)


async def grant_credits(call: Call, body: Grant) -> CreditEntry:
    """Add to a team's balance, or correct it."""
    keep = once(call, show_entry)
    try:
        entry = await call.handles.teams.grant_credits(body.team_id, body.amount, note=body.note, once=keep, by=call.by)
    except BalanceOutOfRange as error:
        raise wrong_field("$.amount", str(error)) from None
    if entry is None:
        raise unknown_team("$.teamId")
    return show_entry(entry)


def show_entry(entry: model.CreditEntry) -> CreditEntry:
    """Return an entry of the ledger as it appears in JSON."""
    return CreditEntry(
        id=entry.id,
        team_id=entry.team_id,
        amount=entry.amount,
        balance_after=entry.balance_after,
        created_at=format_time(entry.created_at),
        delivery_id=entry.delivery_id,
        note=entry.note,
    )


_GRANT_EXAMPLE = {"teamId": "team_acme", "amount": 500, "note": "invoice 2025-07"}
_ENTRY_EXAMPLE = {
    "id": "crd_01k0a3bq5v3x5z7b9d1f3h5k7n",
    "teamId": "team_acme",
    "amount": 500,
    "balanceAfter": 620,
    "createdAt": "2025-07-15T10:30:00.000Z",
    "deliveryId": None,
    "note": "invoice 2025-07",
}

ROUTES = (
    Route(
        "GET",
        "/v1/credits",
        get_credits,
        tag="Credits",
        summary="Look at a balance",
        description="A team's credits, what a delivery costs, and whether an empty balance holds deliveries back.",
        query=TeamQuery,
        answer=Balance,
        example={"teamId": "team_acme", "balance": 620, "perDelivery": 2, "enforce": False},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/credits/entries",
        list_credit_entries,
        tag="Credits",
        summary="Read a ledger",
        description="A team's grants and debits, newest first, each with the balance after it.",
        query=LedgerQuery,
        answer=Page[CreditEntry],
        example={"items": [_ENTRY_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "POST",
        "/v1/credits/grants",
        grant_credits,
        tag="Credits",
        summary="Grant credits",
        description=(
            "Adds to a team's balance; deliveries that wait for credits resume. A negative amount, with a note, "
            "corrects a wrong grant: the balance may go below 0."
        ),
        access=Access.OPERATOR,
        body=json_body(Grant, _GRANT_EXAMPLE, tell=tell_team),
        status=HTTPStatus.CREATED,
        answer=CreditEntry,
        example=_ENTRY_EXAMPLE,
        refusals=(Code.NOT_FOUND,),
        once=True,
    ),
)
