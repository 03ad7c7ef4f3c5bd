"""A delivery's page: its attempts on a timeline, the requests and the responses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quart import Response

from api.console.pages.live import Parts, live
from api.console.rendering.excerpts import Excerpt, excerpt
from api.console.rendering.timeline import timeline
from api.console.session.page_request import PAGE_HEADERS, PageRequest
from api.http.auth import owned
from api.http.errors import not_found
from api.http.streamed import Streamed
from api.routes.deliveries import MOST_QUEUED_AGAIN, resend_delivery, show_deliveries
from api.routes.delivery_waits import NextAttemptReason, next_attempt_because
from daemon.delivery.sent_request import SentRequest
from daemon.domain.model import Attempt, Delivery, Event, Webhook
from daemon.domain.policy import Policy, policy_of
from daemon.domain.readable_json import readable_json
from daemon.store.reads import actor_reads, api_reads, delivery_reads

# Parts of a page's 100 KB; the rest is for the page itself.
_MAX_BODY_BYTES = 24 * 1024
_MAX_ATTEMPTS_BYTES = 48 * 1024
_MAX_HEADERS_BYTES = 4 * 1024
_MAX_RESPONSE_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """An attempt as the page shows it: its request, and excerpts of the response."""

    attempt: Attempt
    request: SentRequest | None
    headers: Excerpt
    body: Excerpt


async def find(request: PageRequest, delivery_id: str) -> Delivery:
    """Return a delivery of the team. Raises ApiError (404)."""
    return owned(request.call, await request.handles.reader.fetch(api_reads.get_delivery, delivery_id), "delivery")


async def show_delivery(request: PageRequest, delivery_id: str) -> Response:
    """Show the page."""
    return await request.page("delivery.html", **await _page_values(request, delivery_id))


async def follow_delivery(request: PageRequest, delivery_id: str) -> Streamed:
    """Stream the parts of the page that change."""
    delivery = await find(request, delivery_id)

    async def make_parts() -> Parts:
        token = request.context.sessions.form_token(request.session)
        values = await _page_values(request, delivery_id)
        return {"delivery-state": await request.fragment("delivery_state.html", form_token=token, **values)}

    return live(request, delivery.webhook_id, make_parts)


async def download_body(request: PageRequest, delivery_id: str) -> Response:
    """Return the body of the delivery's requests, byte for byte, as a file."""
    delivery = await find(request, delivery_id)
    body = await request.handles.reader.fetch(actor_reads.event_body, delivery.event_id)
    if not body:
        raise not_found("body: the event was erased")
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="{delivery.event_id}.json"'}
    return Response(body, content_type="application/json", headers=headers)


async def resend(request: PageRequest, delivery_id: str) -> Response:
    """Queue the event again for its webhook, and show the new delivery."""
    new = await resend_delivery(request.call, delivery_id)
    return request.done(request.path("deliveries", new.id), "resent")


async def _page_values(request: PageRequest, delivery_id: str) -> dict[str, Any]:
    reader, delivery = request.handles.reader, await find(request, delivery_id)
    attempts = await reader.fetch(api_reads.get_attempts, delivery_id)
    webhook = await reader.fetch(actor_reads.webhook_or_deleted, delivery.webhook_id)
    event = await reader.fetch(api_reads.get_event, delivery.event_id)
    assert event is not None, "a delivery never outlives its event"
    [shown] = await show_deliveries(request.call, [delivery])
    again = await reader.fetch(delivery_reads.queued_again_as, event.id, [delivery_id], MOST_QUEUED_AGAIN)
    return {
        "delivery": delivery,
        "event": event,
        "queued_again": again.get(delivery_id, []),
        "webhook": webhook,
        "waiting_for_credits": shown.waiting_for_credits,
        "waiting_for_resume": shown.waiting_for_resume,
        "waiting_for_pace": shown.waiting_for_pace,
        "timeline": timeline(delivery, attempts, not_before=None if event.terms is None else event.terms.deliver_at),
        "attempts": _show_attempts(request, webhook, delivery=delivery, event=event, attempts=attempts),
        "held_back": await next_attempt_because(request.call, delivery, attempts) is NextAttemptReason.RETRY_AFTER,
        "most_attempts": len(_policy(request, webhook).retry_delays_s) + 1,
        "body": excerpt(readable_json(event.body), _MAX_BODY_BYTES),
        "body_size": len(event.body),
    }


def _policy(request: PageRequest, webhook: Webhook | None) -> Policy:
    policy = request.handles.settings.delivery.policy
    return policy if webhook is None else policy_of(policy, webhook.options)


def _show_attempts(
    request: PageRequest, webhook: Webhook | None, delivery: Delivery, event: Event, attempts: Sequence[Attempt]
) -> list[ShownAttempt]:
    """Return the attempts, newest first, each cut to its share of the page's size."""
    share = _MAX_ATTEMPTS_BYTES // max(1, len(attempts))
    max_headers, max_body = min(share // 3, _MAX_HEADERS_BYTES), min(share * 2 // 3, _MAX_RESPONSE_BYTES)
    shown, read_sent = [], request.handles.sent_request
    for attempt in reversed(attempts):
        lines = "\n".join(f"{name}: {value}" for name, value in attempt.outcome.headers)
        text = attempt.outcome.body.decode(errors="replace")
        is_known = event.erased_at is None  # without its body, the signature would be another one
        sent = read_sent(webhook, delivery, event=event, attempt=attempt) if webhook is not None and is_known else None
        shown.append(ShownAttempt(attempt, sent, headers=excerpt(lines, max_headers), body=excerpt(text, max_body)))
    return shown
