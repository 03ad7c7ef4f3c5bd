"""Testing webhooks, and listing the event types (contract "HTTP API", "Event types")."""

from http import HTTPStatus
from typing import Any

from pydantic import Field

from api.http.auth import one_team, tell_team
from api.http.cursors import page_of
from api.http.errors import ApiError, Code
from api.http.field_errors import unknown_event
from api.http.known import AnyEventName, OneTeam
from api.http.route import ALL_ROLES, Call, Route, json_body
from api.http.wire import Input, Output, OutputTime, Page, format_time
from api.limits.rate_limit import tokens_for_receipts
from api.limits.sizes import MAX_PAGE
from api.routes.submission import serialise
from daemon.domain.event_types import EventType
from daemon.domain.operations import About
from daemon.domain.submission import NewEvent, Submission
from daemon.store.reads import delivery_reads

_EXAMPLE_TEAM = "team_12345abcde"


class NewTest(Input):
    """What to test."""

    event: AnyEventName = Field(description="An event type, as listed by GET /v1/webhooks/test/events.")
    team_id: OneTeam = Field(None, description="Whose webhooks. A team's key may leave it out.")


class StartedDelivery(Output):
    """A delivery of the test event."""

    id: str = Field(description="The delivery's id.")
    webhook_id: str = Field(description="The webhook it goes to.")


class StartedTest(Output):
    """What the test started."""

    event: str = Field(description="The event type.")
    event_id: str = Field(description="The test event: GET /v1/events/{id} shows all its deliveries.")
    deliveries: list[StartedDelivery] = Field(
        description="One for each active webhook that subscribes to it, at most 200 of them."
    )
    count: int = Field(description="How many deliveries were made.")


class EventTypeQuery(Input):
    """Which event types to list."""

    about: About = Field(
        About.EVENTS, description="Those of webhooks of this kind: `events` if left out.", strict=False
    )


class Payload(Output):
    """The body of a delivery."""

    event: str = Field(description="The event's type.")
    team_id: str = Field(description="Whose event it is.")
    timestamp: OutputTime = Field(description="When it happened.")
    data: dict[str, Any] = Field(description="What happened.")


class EventTypeInfo(Output):
    """What a webhook can subscribe to."""

    id: str = Field(description="What goes into a webhook's `events`.")
    name: str = Field(description="The same.")
    description: str = Field(description="What it means.")
    category: str = Field(description="What it belongs to.")
    deprecated: bool = Field(description="Whether it should no longer be used.")
    archived: bool = Field(description="Whether its events are no longer accepted.")


async def send_test(call: Call, body: NewTest) -> StartedTest:
    """Send the event type's example to the team's webhooks."""
    team_id = await one_team(call, body.team_id, "$.teamId")
    submission = Submission((example_event(call, team_id, body.event),), call.idempotency, key_id=call.principal.key_id)
    [receipt] = await call.handles.router.submit(submission)
    call.charge(tokens_for_receipts([receipt]))
    # The test's own deliveries are the oldest: resent ones come after them.
    shown = min(receipt.deliveries, MAX_PAGE)
    page = await call.handles.reader.fetch(delivery_reads.deliveries_of_event, receipt.event_id, shown)
    made = [StartedDelivery(id=delivery.id, webhook_id=delivery.webhook_id) for delivery in page.items]
    return StartedTest(event=body.event, event_id=receipt.event_id, deliveries=made, count=receipt.deliveries)


def example_event(call: Call, team_id: str, event: str, only_webhook_id: str | None = None) -> NewEvent:
    """Return an event type's example as a test event, for all webhooks that subscribe, or for one of them alone."""
    now = call.handles.now_ms()
    payload = serialise(event, team_id, timestamp=now, data=call.handles.every_type[event].example)
    return NewEvent(team_id, event, timestamp=now, body=payload, test=True, only_webhook_id=only_webhook_id)


async def get_example(call: Call, event: str) -> Payload:
    """Answer with an example payload; nothing is sent."""
    event_type = call.handles.every_type.get(event)
    if event_type is None:
        raise ApiError(Code.NOT_FOUND, f"There is no such event type: {unknown_event(event, call.handles.catalogue)}.")
    return Payload(
        event=event,
        team_id=call.principal.team_id or _EXAMPLE_TEAM,
        timestamp=format_time(call.handles.now_ms()),
        data=dict(event_type.example),
    )


async def list_event_types(call: Call, query: EventTypeQuery) -> Page[EventTypeInfo]:
    """Answer with all event types of a kind."""
    return page_of(call, [_show(event_type) for event_type in call.handles.types_about(query.about).values()], None)


def _show(event_type: EventType) -> EventTypeInfo:
    return EventTypeInfo(
        id=event_type.name,
        name=event_type.name,
        description=event_type.description,
        category=event_type.category,
        deprecated=event_type.deprecated_at is not None,
        archived=event_type.archived_at is not None,
    )


_TYPE = "linkedin.message.received"

ROUTES = (
    Route(
        "POST",
        "/v1/webhooks/test",
        send_test,
        tag="Testing",
        summary="Send a test payload",
        description=(
            "Sends the event type's example to all active webhooks of the team that subscribe to it, with "
            "`X-Kakiyo-Test: true`. Test deliveries are deliveries: they are retried, counted and cost the same. "
            "An operational event goes to the team's operational webhooks: the operator's own are those of `_operator`."
        ),
        body=json_body(NewTest, {"event": _TYPE}, tell=tell_team),
        status=HTTPStatus.ACCEPTED,
        answer=StartedTest,
        example={
            "event": _TYPE,
            "eventId": "evt_01k0a3bq5t8v2x4z6c8e0g2j4m",
            "deliveries": [{"id": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n", "webhookId": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0"}],
            "count": 1,
        },
        refusals=(Code.NOT_FOUND, Code.OVERLOADED, Code.STOPPING),
        once=True,
    ),
    Route(
        "GET",
        "/v1/webhooks/test/example/{event}",
        get_example,
        tag="Testing",
        summary="See an example payload",
        description="What a delivery of this event type looks like; nothing is sent.",
        only_for=ALL_ROLES,
        answer=Payload,
        example={
            "event": _TYPE,
            "teamId": _EXAMPLE_TEAM,
            "timestamp": "2025-07-15T10:30:00.000Z",
            "data": {"chatId": "chat_9v6b2c8ylf", "message": "Yes, we are."},
        },
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/webhooks/test/events",
        list_event_types,
        tag="Testing",
        summary="List event types",
        description="What webhooks can subscribe to, on one page: each kind of webhook to its own.",
        query=EventTypeQuery,
        only_for=ALL_ROLES,
        answer=Page[EventTypeInfo],
        example={
            "items": [
                {
                    "id": _TYPE,
                    "name": _TYPE,
                    "description": "Prospect responds to an agent",
                    "category": "message",
                    "deprecated": False,
                    "archived": False,
                }
            ],
            "nextCursor": None,
        },
    ),
)
