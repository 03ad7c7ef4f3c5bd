"""Deliveries and their attempts (contract "HTTP API", "A delivery")."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import ClassVar

from pydantic import Field

from api.http.auth import owned, team_named
from api.http.cursors import page_of, position_of
from api.http.errors import Code, not_found
from api.http.idempotency import once
from api.http.known import SomeTeam
from api.http.query import period_of
from api.http.route import Call, Route
from api.http.wire import (
    Output,
    OutputTime,
    Page,
    PageQuery,
    format_optional_time,
    format_time,
)
from api.limits.rate_limit import tokens_for
from api.routes.attempts import ATTEMPT_EXAMPLE, Attempt, show_attempts
from api.routes.delivery_choice import DeliveryChoice, filter_meant
from api.routes.delivery_waits import (
    NextAttemptReason,
    next_attempt_because,
    paced_webhooks,
    paused_webhooks,
    without_credits,
)
from daemon.domain import model
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import CancelReason, DeliveryStatus, Origin, OutcomeKind
from daemon.domain.operations import OPERATIONAL_TYPES
from daemon.store.reads import api_reads, delivery_reads

MOST_QUEUED_AGAIN = 20


class LastAttempt(Output):
    """How a delivery's last attempt ended."""

    outcome: OutcomeKind = Field(description="What happened on the wire.")
    status: int | None = Field(description="The HTTP status, if one arrived.")
    duration_ms: int = Field(description="Milliseconds until the response arrived or the attempt failed.")
    error: str | None = Field(description="One sentence: why it failed.")


class OriginOfDelivery(Output):
    """How a delivery was queued again."""

    kind: Origin = Field(description="Whether by `resend` or by `recover`.")
    delivery_id: str | None = Field(
        description="The delivery that it was queued again for; null for a recovered event that had none."
    )


class QueuedAgain(Output):
    """A delivery that another one was queued again as."""

    kind: Origin = Field(description="Whether by `resend` or by `recover`.")
    delivery_id: str = Field(description="The new delivery.")


class Delivery(Output):
    """One event on its way to one webhook."""

    id: str = Field(description="The delivery's id, which the receiver sees as `webhook-id`.")
    event_id: str = Field(description="The event that is delivered.")
    webhook_id: str = Field(description="The webhook it is delivered to.")
    team_id: str = Field(description="Whose webhook and event they are.")
    event: str = Field(description="The event's type.")
    status: DeliveryStatus = Field(description="Its current status.")
    test: bool = Field(description="Whether the test route created it.")
    attempts_made: int = Field(description="How many attempts have ended.")
    next_attempt_at: OutputTime | None = Field(description="When the next attempt is due, while it waits for a time.")
    created_at: OutputTime = Field(description="When it was created.")
    completed_at: OutputTime | None = Field(description="When it succeeded, failed or was cancelled.")
    cancel_reason: CancelReason | None = Field(description="Why it was cancelled, if it was.")
    waiting_for_credits: bool = Field(description="Whether it waits until its team is granted credits.")
    waiting_for_resume: bool = Field(description="Whether it waits until its webhook, which is paused, is resumed.")
    waiting_for_pace: bool = Field(
        description="Whether it waits for its turn at a webhook that takes so many a second (`maxPerSecond`) at most."
    )
    waits_aside: bool = Field(
        description="Whether others of its webhook are delivered while it waits for its next attempt."
    )
    origin: OriginOfDelivery | None = Field(description="How it was queued again, if it was; null for an event's own.")
    last_attempt: LastAttempt | None = Field(description="How its last attempt ended; null before the first one has.")


class DeliveryDetails(Delivery):
    """A delivery with all its attempts."""

    next_attempt_because: NextAttemptReason | None = Field(
        description="Why the next attempt waits: `back_off`, `retry_after` if its receiver asked for longer than that, "
        "or `deliver_at` if its event is to be delivered then."
    )

    attempts: list[Attempt] = Field(description="Oldest first.")
    queued_again_as: list[QueuedAgain] = Field(
        description="What it was resent or recovered as, newest first, at most 20."
    )


class WhichDeliveries(DeliveryChoice):
    """Which deliveries are meant, of which team."""

    repeatable: ClassVar[frozenset[str]] = frozenset({"status"})

    team_id: SomeTeam = Field(None, description="Only this team's; the operator lists all teams' without it.")


class DeliveryQuery(WhichDeliveries, PageQuery):
    """Which deliveries to list, and which page."""


async def wanted_deliveries(call: Call, query: WhichDeliveries) -> DeliveryFilter:
    """Return the filter that a query means. Raises ApiError (404, 422)."""
    since, until = period_of(query.since, query.until, call.handles.now_ms())
    team_id = await team_named(call, query.team_id, "query.teamId")
    return filter_meant(query, team_id, since=since, until=until)


async def list_deliveries(call: Call, query: DeliveryQuery) -> Page[Delivery]:
    """Answer with deliveries, newest first."""
    wanted = await wanted_deliveries(call, query)
    found = await call.handles.reader.fetch(
        delivery_reads.list_deliveries, wanted, query.limit, position_of(call, query.cursor)
    )
    call.charge(tokens_for(rows=found.looked_at))
    return page_of(call, await show_deliveries(call, found.items), found.next_cursor)


async def get_delivery(call: Call, delivery_id: str) -> DeliveryDetails:
    """Answer with a delivery and its attempts."""
    reader = call.handles.reader
    delivery = owned(call, await reader.fetch(api_reads.get_delivery, delivery_id), "delivery")
    attempts = await reader.fetch(api_reads.get_attempts, delivery_id)
    [shown] = await show_deliveries(call, [delivery])
    again = await reader.fetch(
        delivery_reads.queued_again_as, delivery.event_id, [delivery_id], limit=MOST_QUEUED_AGAIN
    )
    return DeliveryDetails(
        **shown.model_dump(),
        next_attempt_because=await next_attempt_because(call, delivery, attempts),
        attempts=await show_attempts(call, delivery, attempts),
        queued_again_as=[
            QueuedAgain(kind=one.origin, delivery_id=one.id)
            for one in again.get(delivery_id, ())
            if one.origin is not None
        ],
    )


async def resend_delivery(call: Call, delivery_id: str) -> Delivery:
    """Queue the delivery's event for its webhook once more."""
    reader = call.handles.reader
    delivery = owned(call, await reader.fetch(api_reads.get_delivery, delivery_id), "delivery")
    broke = await without_credits(call, [replace(delivery, status=DeliveryStatus.PENDING)])
    is_paused = delivery.webhook_id in await paused_webhooks(call, [replace(delivery, status=DeliveryStatus.PENDING)])
    is_paced = bool(await paced_webhooks(call, [replace(delivery, status=DeliveryStatus.PENDING)]))
    show = partial(_show_delivery, lacks_credits=delivery.id in broke, is_paused=is_paused, is_paced=is_paced)
    new = await call.handles.replays.resend(delivery_id, once(call, show), by=call.by)
    if new is None:
        raise not_found("delivery")
    return show(new)


async def show_deliveries(call: Call, deliveries: Iterable[model.Delivery]) -> list[Delivery]:
    """Return deliveries as they appear in JSON, with their last attempts, marking those that wait, and for what."""
    listed = tuple(deliveries)
    broke, paused = await without_credits(call, listed), await paused_webhooks(call, listed)
    paced = await paced_webhooks(call, listed)
    last = await call.handles.reader.fetch(delivery_reads.last_attempts, listed)
    return [
        _show_delivery(
            delivery,
            last.get(delivery.id),
            lacks_credits=delivery.id in broke,
            is_paused=delivery.webhook_id in paused,
            is_paced=delivery.webhook_id in paced,
        )
        for delivery in listed
    ]


def _show_delivery(
    delivery: model.Delivery,
    last: model.LastAttempt | None = None,
    *,
    lacks_credits: bool,
    is_paused: bool,
    is_paced: bool,
) -> Delivery:
    is_pending = delivery.status is DeliveryStatus.PENDING
    is_broke = lacks_credits and is_pending and delivery.event_type not in OPERATIONAL_TYPES
    is_broke = is_broke and not delivery.waits_aside
    is_held = is_broke or is_paused or delivery.next_attempt_at is not None
    return Delivery(
        id=delivery.id,
        event_id=delivery.event_id,
        webhook_id=delivery.webhook_id,
        team_id=delivery.team_id,
        event=delivery.event_type,
        status=delivery.status,
        test=delivery.test,
        attempts_made=delivery.attempts_made,
        next_attempt_at=format_optional_time(delivery.next_attempt_at),
        created_at=format_time(delivery.created_at),
        completed_at=format_optional_time(delivery.completed_at),
        cancel_reason=delivery.cancel_reason,
        waiting_for_credits=is_broke,
        waiting_for_resume=is_paused and is_pending,
        waiting_for_pace=is_paced and is_pending and not is_held,
        waits_aside=delivery.waits_aside,
        origin=delivery.origin and OriginOfDelivery(kind=delivery.origin, delivery_id=delivery.origin_id),
        last_attempt=last
        and LastAttempt(outcome=last.outcome, status=last.status, duration_ms=last.duration_ms, error=last.error),
    )


DELIVERY_EXAMPLE = {
    "id": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n",
    "eventId": "evt_01k0a3bq5t8v2x4z6c8e0g2j4m",
    "webhookId": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0",
    "teamId": "team_acme",
    "event": "linkedin.message.received",
    "status": "pending",
    "test": False,
    "attemptsMade": 1,
    "nextAttemptAt": "2025-07-15T10:30:01.310Z",
    "createdAt": "2025-07-15T10:30:00.120Z",
    "completedAt": None,
    "cancelReason": None,
    "waitingForCredits": False,
    "waitingForResume": False,
    "waitingForPace": False,
    "waitsAside": False,
    "origin": {"kind": "resend", "deliveryId": "dlv_01k0a3bq5tzv2x4z6c8e0g2j4m"},
    "lastAttempt": {
        "outcome": "http_error",
        "status": 503,
        "durationMs": 185,
        "error": "the receiver answered 503",
    },
}
ROUTES = (
    Route(
        "GET",
        "/v1/deliveries",
        list_deliveries,
        tag="Deliveries",
        summary="List deliveries",
        description=(
            "Newest first, filtered by webhook, event, status, event type, time, and by how the last attempt ended. "
            "A page of a filtered list may be short, even empty, and still have a nextCursor: go on with it."
        ),
        query=DeliveryQuery,
        answer=Page[Delivery],
        example={"items": [DELIVERY_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/deliveries/{delivery_id}",
        get_delivery,
        tag="Deliveries",
        summary="Look at a delivery",
        description="The delivery with every attempt, what it sent and what the receiver answered.",
        answer=DeliveryDetails,
        example={
            **DELIVERY_EXAMPLE,
            "nextAttemptBecause": "back_off",
            "attempts": [ATTEMPT_EXAMPLE],
            "queuedAgainAs": [],
        },
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "POST",
        "/v1/deliveries/{delivery_id}/resend",
        resend_delivery,
        tag="Deliveries",
        summary="Send a delivery again",
        description=(
            "Creates a new delivery of the same event to the same webhook, whatever the old one's status. The receiver "
            "sees the same body under a new `webhook-id`."
        ),
        status=HTTPStatus.ACCEPTED,
        answer=Delivery,
        example=DELIVERY_EXAMPLE,
        refusals=(Code.NOT_FOUND, Code.WEBHOOK_INACTIVE, Code.EVENT_ERASED),
        once=True,
    ),
)
