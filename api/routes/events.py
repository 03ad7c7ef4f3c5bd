"""Submitting events, and looking at one (contract "HTTP API")."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import Field

from api.http.auth import owned, team_named
from api.http.cursors import next_cursor, page_of, position_of
from api.http.errors import Code, unknown_team
from api.http.json_body import JSON, NDJSON
from api.http.known import AnyEventName, SomeTeam
from api.http.query import period_of
from api.http.route import SUBMITTERS, Body, Call, Noted, Route
from api.http.wire import Input, InputMoment, Limit, Output, OutputTime, Page, PageQuery, format_time
from api.limits.rate_limit import tokens_for, tokens_for_receipts
from api.limits.sizes import MAX_PAGE
from api.routes.deliveries import DELIVERY_EXAMPLE, Delivery, show_deliveries
from api.routes.deprecation import noted
from api.routes.envelope import SubmittedEvent
from api.routes.event_erasing import is_being_erased
from api.routes.event_terms import ShownTerms, shown_terms
from api.routes.submission import SubmissionHeaders, read_batch, read_submission
from daemon.crypto.api_keys import OPERATOR
from daemon.crypto.idempotency import scope_of
from daemon.domain.errors import UnknownTeam
from daemon.domain.model import Event, EventSummary
from daemon.domain.submission import Submission
from daemon.store.reads import api_reads, delivery_reads, event_reads
from daemon.store.reads import pagination as store_pages
from daemon.store.reads.event_reads import EventFilter


class EventReceipt(Output):
    """An event that is accepted and on disk."""

    id: str = Field(description="The event's id.")
    deliveries: int = Field(description="How many deliveries were created for it.")


class BatchReceipt(Output):
    """A batch that is accepted and on disk."""

    receipts: list[EventReceipt] = Field(description="One for each event, in the order of the batch.")


class SubmittingKey(Output):
    """The API key that an event was submitted with."""

    id: str = Field(description="The key's id; `operator` for the operator's.")
    name: str = Field(description="The key's name.")


class ListedEvent(ShownTerms):
    """An accepted event, without its body."""

    id: str = Field(description="The event's id.")
    team_id: str = Field(description="Whose event it is.")
    event: str = Field(description="Its type.")
    timestamp: OutputTime = Field(description="When it happened.")
    accepted_at: OutputTime = Field(description="When it was accepted.")
    test: bool = Field(description="Whether the test route created it.")
    size: int = Field(description="How many bytes the body has that is sent to the webhooks.")
    key: SubmittingKey | None = Field(description="The key that it came with; null if that was not kept yet.")
    erased_at: OutputTime | None = Field(description="When it was erased; null if it was not. `size` is 0 then.")


class EventDetails(ListedEvent):
    """An accepted event, the body that is sent, and its deliveries."""

    idempotency_key: str | None = Field(
        description="The Idempotency-Key that it came with, while it is kept; null for the operator's, to a team."
    )
    body: dict[str, Any] | None = Field(description="The body that is sent to the webhooks; null once it is erased.")
    erasing: bool = Field(
        description="Whether it was erased, and something that was answered to its deliveries is still to go."
    )
    deliveries: list[Delivery] = Field(description="A page of its deliveries, oldest first.")
    deliveries_next_cursor: str | None = Field(
        description="Give it as `cursor` to get the next page of deliveries; null on the last one."
    )


async def submit_event(call: Call) -> bytes | Noted:
    """Accept one event; answers after the commit."""
    submission = await read_submission(call)
    [receipt] = await _submit(call, submission, "$.teamId")
    return noted(call, submission, orjson.dumps(receipt))


async def submit_events(call: Call) -> bytes | Noted:
    """Accept a batch of events in one commit, all or none."""
    submission = await read_batch(call)
    return noted(call, submission, orjson.dumps({"receipts": await _submit(call, submission, "$[{}].teamId")}))


class EventListQuery(PageQuery):
    """Which events to list."""

    team_id: SomeTeam = Field(None, description="Only this team's; the operator lists all teams' without it.")
    type: AnyEventName | None = Field(None, description="Only those of this event type.")
    idempotency_key: str | None = Field(
        None, description="Only those submitted with this Idempotency-Key, for as long as it is kept."
    )
    since: InputMoment | None = Field(
        None, description="Only those accepted at this time or later: RFC 3339, or an age like 15m, 2h or 7d."
    )
    until: InputMoment | None = Field(
        None, description="Only those accepted at this time or earlier: RFC 3339, or an age like 15m, 2h or 7d."
    )


async def list_events(call: Call, query: EventListQuery) -> Page[ListedEvent]:
    """Answer with events, newest first."""
    since, until = period_of(query.since, query.until, call.handles.now_ms())
    team_id = await team_named(call, query.team_id, "query.teamId")
    wanted = EventFilter(team_id, query.type, since=since, until=until)
    key, scopes = query.idempotency_key, scopes_for(team_id, is_operator=call.principal.is_operator)
    submitted_with = None if key is None else SubmittedWith(key, scopes)
    place = position_of(call, query.cursor)
    found = await find_events(call, wanted, submitted_with, limit=query.limit, before=place)
    names = await key_names(call, found.items)
    return page_of(call, [_show_event(event, names) for event in found.items], found.next_cursor)


@dataclass(frozen=True, slots=True)
class SubmittedWith:
    """An Idempotency-Key, and the scopes in which it counts (`scopes_for`)."""

    key: str
    scopes: Collection[str]


async def find_events(
    call: Call, wanted: EventFilter, submitted_with: SubmittedWith | None, *, limit: int, before: int | None
) -> store_pages.Page[EventSummary]:
    """Return a page of events, newest first, and charge for it; with `submitted_with` only those that came with it."""
    fetch = call.handles.reader.fetch
    if submitted_with is None:
        found = await fetch(event_reads.list_events, wanted, limit, before)
    else:
        key, scopes = submitted_with.key, submitted_with.scopes
        found = _page_of(await fetch(event_reads.events_of_submission, wanted, scopes, key), limit, before)
    call.charge(tokens_for(rows=found.looked_at))
    return found


def _page_of(submitted: Sequence[EventSummary], limit: int, before: int | None) -> store_pages.Page[EventSummary]:
    left = [event for event in submitted if before is None or event.seq < before]
    return store_pages.Page(tuple(left[:limit]), left[limit - 1].seq if len(left) > limit else None, len(submitted))


async def key_names(call: Call, events: Iterable[Event | EventSummary]) -> Mapping[str, str]:
    """Return the names of the keys that these events came with, by id."""
    ids = {event.key_id for event in events if event.key_id is not None} - {OPERATOR}
    found = await call.handles.reader.fetch(event_reads.key_names, ids) if ids else {}
    return {**found, OPERATOR: OPERATOR}


def scopes_for(team_id: str | None, *, is_operator: bool) -> set[str]:
    """Return whose idempotency keys count for who asks about events of a team: the operator's are for the operator."""
    return {scope_of(team_id), scope_of(None)} if is_operator else {scope_of(team_id)}


async def idempotency_key_of(call: Call, event: Event, *, is_operator: bool) -> str | None:
    """Return the idempotency key that an event came with, if it is kept, and not the operator's for a team."""
    scopes = scopes_for(event.team_id, is_operator=is_operator)
    return await call.handles.reader.fetch(event_reads.idempotency_key_of, event.id, event.accepted_at, scopes)


class EventQuery(Input):
    """Selects the page of deliveries."""

    limit: Limit = Field(MAX_PAGE, description="How many deliveries to answer with, at most; 200 if left out.")
    cursor: str | None = Field(None, description="The deliveriesNextCursor of the page before; none for the first.")


async def get_event(call: Call, event_id: str, query: EventQuery) -> bytes:
    """Answer with one event, as EventDetails, and a page of its deliveries."""
    reader = call.handles.reader
    event = owned(call, await reader.fetch(api_reads.get_event, event_id), "event")
    after = position_of(call, query.cursor)
    page = await reader.fetch(delivery_reads.deliveries_of_event, event_id, query.limit, after)
    deliveries = await show_deliveries(call, page.items)
    listed = _show_event(_summary_of(event), await key_names(call, [event]))
    shown = {
        **listed.model_dump(by_alias=True),
        "idempotencyKey": await idempotency_key_of(call, event, is_operator=call.principal.is_operator),
        # As it is stored: a long one takes too long to be read and written.
        "body": orjson.Fragment(event.body) if event.erased_at is None else None,
        "erasing": await is_being_erased(call, event),
        "deliveries": [delivery.model_dump(by_alias=True, exclude_unset=True) for delivery in deliveries],
        "deliveriesNextCursor": next_cursor(call, page.next_cursor),
    }
    return orjson.dumps(shown)


def _summary_of(event: Event) -> EventSummary:
    return EventSummary(
        seq=0,
        id=event.id,
        team_id=event.team_id,
        type=event.type,
        timestamp=event.timestamp,
        size=len(event.body),
        accepted_at=event.accepted_at,
        test=event.test,
        key_id=event.key_id,
        erased_at=event.erased_at,
        terms=event.terms,
    )


def _show_event(event: EventSummary, names: Mapping[str, str]) -> ListedEvent:
    key_id = event.key_id
    return ListedEvent(
        id=event.id,
        team_id=event.team_id,
        event=event.type,
        timestamp=format_time(event.timestamp),
        accepted_at=format_time(event.accepted_at),
        test=event.test,
        size=event.size,
        key=None if key_id is None else SubmittingKey(id=key_id, name=names.get(key_id, key_id)),
        erased_at=None if event.erased_at is None else format_time(event.erased_at),
        **shown_terms(event.terms),
    )


async def _submit(call: Call, submission: Submission, team_path: str) -> list[dict[str, Any]]:
    try:
        receipts = await call.handles.router.submit(submission)
    except UnknownTeam as error:
        for index in error.indexes:
            call.mistakes.note(unknown_team(team_path.format(index)))
        call.mistakes.raise_if_any()
        raise
    call.charge(tokens_for_receipts(receipts))
    return [{"id": receipt.event_id, "deliveries": receipt.deliveries} for receipt in receipts]


_EVENT_ID = "evt_01k0a3bq5t8v2x4z6c8e0g2j4m"
_RECEIPT_EXAMPLE = {"id": _EVENT_ID, "deliveries": 2}
_LISTED_EXAMPLE = {
    "id": _EVENT_ID,
    "teamId": "team_acme",
    "event": "linkedin.message.received",
    "timestamp": "2025-07-15T10:30:00.000Z",
    "acceptedAt": "2025-07-15T10:30:00.120Z",
    "test": False,
    "size": 203,
    "deliverAt": None,
    "expiresAt": None,
    "priority": "normal",
    "key": {"id": "key_01jzy8h2k4n6q8s0v2x4z6b8d0", "name": "CRM sync"},
    "erasedAt": None,
}
_BODY_EXAMPLE = {
    "event": "linkedin.message.received",
    "teamId": "team_acme",
    "timestamp": "2025-07-15T10:30:00.000Z",
    "data": {"chatId": "chat_9v6b2c8ylf", "message": "Yes, we are. Could you show me a short demo on Thursday?"},
}
_REFUSALS = (
    Code.NOT_FOUND,
    Code.IDEMPOTENCY_CONFLICT,
    Code.OVERLOADED,
    Code.STOPPING,
)

ROUTES = (
    Route(
        "POST",
        "/v1/events",
        submit_event,
        tag="Events",
        summary="Submit an event",
        description="Answers after the event and its deliveries are on disk. An event may have up to 256 KiB.",
        body=Body({JSON: SubmittedEvent}, parsed=False, example=_BODY_EXAMPLE),
        headers=SubmissionHeaders,
        only_for=SUBMITTERS,
        status=HTTPStatus.ACCEPTED,
        answer=EventReceipt,
        example=_RECEIPT_EXAMPLE,
        refusals=_REFUSALS,
    ),
    Route(
        "POST",
        "/v1/events/batch",
        submit_events,
        tag="Events",
        summary="Submit many events at once",
        description=(
            "Up to 1,000 events or 8 MiB, as a JSON array or one event a line (NDJSON). One commit takes all of them, "
            "or none: the error names the index of the first wrong one, like `$[3].teamId`."
        ),
        body=Body({JSON: list[SubmittedEvent], NDJSON: str}, parsed=False, example=[_BODY_EXAMPLE]),
        headers=SubmissionHeaders,
        only_for=SUBMITTERS,
        status=HTTPStatus.ACCEPTED,
        answer=BatchReceipt,
        example={"receipts": [_RECEIPT_EXAMPLE]},
        refusals=_REFUSALS,
    ),
    Route(
        "GET",
        "/v1/events",
        list_events,
        tag="Events",
        summary="List events",
        description=(
            "Newest first, without their bodies, filtered by type, time and Idempotency-Key. A page of a filtered list "
            "may be short, even empty, and still have a nextCursor: go on with it."
        ),
        query=EventListQuery,
        answer=Page[ListedEvent],
        example={"items": [_LISTED_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/events/{event_id}",
        get_event,
        tag="Events",
        summary="Look at an event",
        description="The event, the body that is sent for it, and its deliveries, page by page.",
        query=EventQuery,
        answer=EventDetails,
        example={
            **_LISTED_EXAMPLE,
            "idempotencyKey": "order-1742",
            "body": _BODY_EXAMPLE,
            "erasing": False,
            "deliveries": [DELIVERY_EXAMPLE],
            "deliveriesNextCursor": None,
        },
        refusals=(Code.NOT_FOUND,),
    ),
)
