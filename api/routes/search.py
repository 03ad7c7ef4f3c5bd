"""Finding an event, a delivery or a webhook by whatever is known of it (contract "HTTP API")."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from api.http.auth import team_named
from api.http.cursors import next_cursor, position_of
from api.http.errors import Code
from api.http.known import SomeTeam
from api.http.query import period_of
from api.http.route import Call, Route
from api.http.wire import InputMoment, Output, OutputTime, PageQuery, format_optional_time, format_time
from api.limits.rate_limit import tokens_for
from api.limits.sizes import KIB
from api.routes.events import scopes_for
from daemon.domain.model import EventSummary
from daemon.domain.search import Kind, Wanted, read_wanted
from daemon.store.reads import event_reads, search_reads
from daemon.store.reads.event_reads import EventFilter
from daemon.store.reads.search_reads import Hit, Searched

LONGEST = 200
SHORTEST = 2


class Match(StrEnum):
    """What a text was found in."""

    ID = "id"
    IDEMPOTENCY_KEY = "idempotency_key"
    PAYLOAD = "payload"


class FoundItem(Output):
    """Something that was found."""

    kind: Kind = Field(description="What it is.")
    id: str = Field(description="Its id.")
    team_id: str = Field(description="Whose it is.")
    title: str = Field(description="The type of the event, or the name of the webhook.")
    at: OutputTime = Field(description="When it was accepted or created.")
    match: Match = Field(description="What the text was found in.")


class SearchPage(Output):
    """What was found so far."""

    items: list[FoundItem] = Field(description="Ids first, then idempotency keys, then payloads, newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` to look further back; null at the end.")
    looked_at: int = Field(description="How many events' payloads were looked at for this page.")
    back_to: OutputTime | None = Field(description="When the oldest of them was accepted; null if there were none.")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("expected no NUL character")
    return text


class SearchQuery(PageQuery):
    """What to look for."""

    q: Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST), AfterValidator(_without_nul)] = Field(
        description=(
            "An id of an event, a delivery or a webhook, or 6 or more characters of its beginning; an Idempotency-Key; "
            "`data.path.to.field=value`; or any text of a payload."
        )
    )
    team_id: SomeTeam = Field(None, description="Only this team's; without it the operator finds ids alone, of all.")
    since: InputMoment | None = Field(
        None, description="Only payloads accepted at this time or later: RFC 3339, or an age like 15m, 2h or 7d."
    )
    until: InputMoment | None = Field(
        None, description="Only payloads accepted at this time or earlier: RFC 3339, or an age like 15m, 2h or 7d."
    )


@dataclass(frozen=True, slots=True)
class Results:
    """What was found, with what the text was found in, and how far the payloads were looked through."""

    found: tuple[tuple[Hit, Match], ...]
    payloads: Searched
    is_whole_id: bool

    @property
    def only(self) -> Hit | None:
        """What has the whole id that was given, if nothing else has."""
        return self.found[0][0] if self.is_whole_id and len(self.found) == 1 else None


@dataclass(frozen=True, slots=True)
class Extent:
    """How much to find, and where to look: before this position of the payloads (None: from the newest on)."""

    limit: int
    before: int | None = None
    since: int | None = None
    until: int | None = None


_NOTHING = Searched((), None)


async def find(call: Call, text: str, team_id: str | None, extent: Extent, *, is_operator: bool) -> Results:
    """Return what there is of this text, of a team or, by ids alone, of all. The first page has ids and keys, too."""
    wanted, fetch = read_wanted(text), call.handles.reader.fetch
    found: list[tuple[Hit, Match]] = []
    is_first = extent.before is None
    if is_first and wanted.ids:
        of_ids = await fetch(search_reads.find_ids, wanted.ids, team_id, extent.limit)
        found += [(hit, Match.ID) for hit in of_ids]
        if found and wanted.is_whole_id:
            return Results(tuple(found), _NOTHING, is_whole_id=True)
    if team_id is None:
        return Results(tuple(found), _NOTHING, is_whole_id=False)
    if is_first:
        scopes = scopes_for(team_id, is_operator=is_operator)
        submitted = await fetch(event_reads.events_of_submission, EventFilter(team_id), scopes, text)
        found += [(_hit_of(event), Match.IDEMPOTENCY_KEY) for event in submitted[: extent.limit]]
    payloads = await _look_through(call, wanted, team_id=team_id, extent=extent)
    known = {hit.id for hit, _ in found}
    found += [(hit, Match.PAYLOAD) for hit in payloads.hits if hit.id not in known]
    return Results(tuple(found), payloads, is_whole_id=False)


async def _look_through(call: Call, wanted: Wanted, team_id: str, extent: Extent) -> Searched:
    searched = await call.handles.reader.fetch(
        search_reads.find_in_payloads,
        wanted,
        team_id,
        limit=extent.limit,
        before=extent.before,
        since=extent.since,
        until=extent.until,
    )
    # A payload of 1 KiB counts as one row.
    call.charge(tokens_for(rows=max(searched.looked_at, searched.bytes_looked_at // KIB)))
    return searched


def _hit_of(event: EventSummary) -> Hit:
    return Hit(Kind.EVENT, id=event.id, team_id=event.team_id, title=event.type, at=event.accepted_at)


async def search(call: Call, query: SearchQuery) -> SearchPage:
    """Answer with what there is of a text."""
    since, until = period_of(query.since, query.until, call.handles.now_ms())
    team_id = await team_named(call, query.team_id, "query.teamId")
    extent = Extent(query.limit, position_of(call, query.cursor), since=since, until=until)
    results = await find(call, query.q, team_id=team_id, extent=extent, is_operator=call.principal.is_operator)
    return SearchPage(
        items=_shown(results.found),
        next_cursor=next_cursor(call, results.payloads.next_cursor),
        looked_at=results.payloads.looked_at,
        back_to=format_optional_time(results.payloads.back_to),
    )


def _shown(found: Sequence[tuple[Hit, Match]]) -> list[FoundItem]:
    return [
        FoundItem(kind=hit.kind, id=hit.id, team_id=hit.team_id, title=hit.title, at=format_time(hit.at), match=match)
        for hit, match in found
    ]


ROUTES = (
    Route(
        "GET",
        "/v1/search",
        search,
        tag="Events",
        summary="Find an event, a delivery or a webhook",
        description=(
            "By an id or its beginning, by an Idempotency-Key while it is kept, by the value of a field of `data`, or "
            "by any text of a payload, whichever of its characters were escaped. Payloads are looked through from the "
            "newest on, a bounded number for each page: `nextCursor` looks further back. `limit` is for each "
            "kind of id, for the keys and for the payloads."
        ),
        query=SearchQuery,
        answer=SearchPage,
        example={
            "items": [
                {
                    "kind": "event",
                    "id": "evt_01k0a3bq5t8v2x4z6c8e0g2j4m",
                    "teamId": "team_acme",
                    "title": "linkedin.message.received",
                    "at": "2025-07-15T10:30:00.120Z",
                    "match": "payload",
                }
            ],
            "nextCursor": None,
            "lookedAt": 5_000,
            "backTo": "2025-07-15T10:11:04.713Z",
        },
        refusals=(Code.NOT_FOUND,),
    ),
)
