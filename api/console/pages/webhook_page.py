"""A webhook's page: its state and the reason for it, its actions, and its deliveries."""

from http import HTTPStatus
from typing import Any

import trio
from quart import Response

from api.console.pages.deliveries_page import delivery_list, delivery_rows
from api.console.pages.delivery_filter import read_filter
from api.console.pages.examples import example_payload
from api.console.pages.live import Parts, live
from api.console.pages.webhook_options_form import failure_facts, option_facts
from api.console.pages.webhook_pictures import RANGES, range_of, read_pictures
from api.console.pages.webhook_state import state_of
from api.console.rendering.verification import verification_code
from api.console.session.page_request import PageRequest
from api.http.auth import owned
from api.http.streamed import Streamed
from daemon.domain.event_types import WILDCARD
from daemon.domain.model import Webhook
from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.signing_keys import signing_keys_at
from daemon.domain.statistics import StatisticsRange
from daemon.store.reads import api_reads, console_reads

_ERRORS_SHOWN = 10
# A busy webhook's pictures are larger than its state, and change as often.
_PICTURES_EVERY_S = 5
MOST_COUNTED = 10_000


async def find(request: PageRequest, webhook_id: str) -> Webhook:
    """Return a webhook of the team. Raises ApiError (404)."""
    return owned(request.call, await request.handles.reader.fetch(api_reads.get_webhook, webhook_id), "webhook")


def tested_events(request: PageRequest, webhook: Webhook) -> list[str]:
    """Return the event types that a test may have: those that the webhook subscribes to."""
    return [name for name in request.handles.every_type if webhook.subscribes_to(name)]


async def show_webhook(
    request: PageRequest, webhook_id: str, status: HTTPStatus = HTTPStatus.OK, **mistakes: str
) -> Response:
    """Show the page; `mistakes` are those in its forms, by field."""
    webhook = await find(request, webhook_id)
    events, covered = tested_events(request, webhook), range_of(request)
    kept = {} if covered is StatisticsRange.DAY else {"range": covered.value}
    secret = request.secret_about(webhook_id)
    page = await request.page(
        "webhook.html",
        status,
        **await _state(request, webhook),
        **await read_pictures(request, webhook_id),
        range=covered,
        ranges=RANGES,
        **await delivery_list(request, read_filter(request, webhook_id), "webhooks", webhook_id, **kept),
        secret=secret,
        tested_events=events,
        example=example_payload(request, events[0]) if events else "",
        verification=verification_code(with_public_key=webhook.options.signature_scheme is SignatureScheme.ED25519),
        **_keys(request, webhook),
        wildcard=WILDCARD,
        options=[*option_facts(webhook), *failure_facts(request.handles, webhook)],
        mistakes={"event": "", "since": "", "resumesAt": "", **mistakes},
        typed={name: request.form.text(name) for name in ("since", "event", "resumesAt")},
    )
    return request.shown(page, webhook_id, secret)


def _keys(request: PageRequest, webhook: Webhook) -> dict[str, Any]:
    """Return the key pairs that the page shows: those that sign."""
    keys = signing_keys_at(webhook, request.now)
    return {"signing_key": keys[0] if keys else None, "previous_key": keys[1] if len(keys) > 1 else None}


async def follow_webhook(request: PageRequest, webhook_id: str) -> Streamed:
    """Stream the webhook's state and the first page of its deliveries."""
    await find(request, webhook_id)
    chosen = read_filter(request, webhook_id)
    pictures_due = trio.current_time()

    async def make_parts() -> Parts:
        nonlocal pictures_due
        webhook = await request.handles.reader.fetch(api_reads.get_webhook, webhook_id)
        if webhook is None:
            return {}
        token = request.context.sessions.form_token(request.session)
        state = await request.fragment("webhook_state.html", form_token=token, **await _state(request, webhook))
        parts = {"webhook-state": state, "delivery-rows": await delivery_rows(request, chosen)}
        if trio.current_time() >= pictures_due:
            pictures_due = trio.current_time() + _PICTURES_EVERY_S
            pictures = await read_pictures(request, webhook_id)
            parts["webhook-pictures"] = await request.fragment("webhook_pictures.html", **pictures)
        return parts

    return live(request, webhook_id, make_parts)


async def _state(request: PageRequest, webhook: Webhook) -> dict[str, Any]:
    reader = request.handles.reader
    missed = None if webhook.active else await reader.fetch(console_reads.missed_by, webhook)
    failures = [] if webhook.active else await reader.fetch(console_reads.failures_of, webhook.id, _ERRORS_SHOWN)
    waiting = 0
    if webhook.paused_at is not None:
        waiting = await reader.fetch(console_reads.count_waiting, webhook.id, MOST_COUNTED + 1)
    return {
        "webhook": webhook,
        "state": state_of(request.handles, webhook),
        "missed": missed,
        "failures": failures,
        "waiting": waiting,
        "most_counted": MOST_COUNTED,
    }
