"""Submitting events, and looking at one (contract "HTTP API")."""

from http import HTTPStatus
from typing import Any

import orjson
from pydantic import Field

from api.http.auth import owned
from api.http.cursors import next_cursor, position_of
from api.http.errors import Code, unknown_team
from api.http.json_body import JSON, NDJSON
from api.http.route import SUBMITTERS, Body, Call, Route
from api.http.wire import Input, Limit, Output, OutputTime, format_time
from api.limits.rate_limit import tokens_for_receipts
from api.limits.sizes import MAX_PAGE
from api.routes.deliveries import DELIVERY_EXAMPLE, Delivery, show_deliveries
from api.routes.envelope import SubmittedEvent
from api.routes.submission import SubmissionHeaders, read_batch, read_submission
from daemon.domain.errors import UnknownTeam
from daemon.domain.submission import Submission
from daemon.store.reads import api_reads, delivery_reads


class EventReceipt(Output):
    """An event that is accepted and on disk."""

    id: str = Field(description="The event's id.")
    deliveries: int = Field(description="How many deliveries were created for it.")


class BatchReceipt(Output):
    """A batch that is accepted and on disk."""

    receipts: list[EventReceipt] = Field(description="One for each event, in the order of the batch.")


class EventDetails(Output):
    """An accepted event, the body that is sent, and its deliveries."""

    id: str = Field(description="The event's id.")
    team_id: str = Field(description="Whose event it is.")
    event: str = Field(description="Its type.")
    timestamp: OutputTime = Field(description="When it happened.")
    accepted_at: OutputTime = Field(description="When it was accepted.")
    test: bool = Field(description="Whether the test route created it.")
    body: dict[str, Any] = Field(description="The body that is sent to the webhooks.")
    deliveries: list[Delivery] = Field(description="A page of its deliveries, oldest first.")
    deliveries_next_cursor: str | None = Field(
        description="Give it as `cursor` to get the next page of deliveries; null on the last one."
    )


async def submit_event(call: Call) -> bytes:
    """Accept one event; answers after the commit."""
    [receipt] = await _submit(call, await read_submission(call), "$.teamId")
    return orjson.dumps(receipt)


async def submit_events(call: Call) -> bytes:
    """Accept a batch of events in one commit, all or none."""
    return orjson.dumps({"receipts": await _submit(call, await read_batch(call), "$[{}].teamId")})


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
    shown = {
        "id": event.id,
        "teamId": event.team_id,
        "event": event.type,
        "timestamp": format_time(event.timestamp),
        "acceptedAt": format_time(event.accepted_at),
        "test": event.test,
        "body": orjson.Fragment(event.body),  # as it is stored: a long one takes too long to be read and written
        "deliveries": [delivery.model_dump(by_alias=True, exclude_unset=True) for delivery in deliveries],
        "deliveriesNextCursor": next_cursor(call, page.next_cursor),
    }
    return orjson.dumps(shown)


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
        "/v1/events/{event_id}",
        get_event,
        tag="Events",
        summary="Look at an event",
        description="The event, the body that is sent for it, and its deliveries, page by page.",
        query=EventQuery,
        answer=EventDetails,
        example={
            "id": _EVENT_ID,
            "teamId": "team_acme",
            "event": "linkedin.message.received",
            "timestamp": "2025-07-15T10:30:00.000Z",
            "acceptedAt": "2025-07-15T10:30:00.120Z",
            "test": False,
            "body": _BODY_EXAMPLE,
            "deliveries": [DELIVERY_EXAMPLE],
            "deliveriesNextCursor": None,
        },
        refusals=(Code.NOT_FOUND,),
    ),
)
