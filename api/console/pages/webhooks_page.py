"""The list of webhooks."""

from collections.abc import Iterable
from typing import Any

from quart import Response

from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.pages.webhook_state import WebhookState, state_of
from api.console.rendering.charts import HourChart, hour_chart
from api.console.session.page_request import PageRequest
from api.http.streamed import Streamed
from api.limits.rate_limit import tokens_for
from daemon.domain.model import Delivery, Webhook
from daemon.store.reads import console_reads
from daemon.store.reads.console_reads import WebhookSummary
from daemon.store.reads.pagination import Page

_PAGE = 25
_COUNTED = 10_000  # takes two milliseconds
_LONGEST_SEARCH = 200
_ACTIVE = {"": None, "active": True, "disabled": False}

WebhookRow = tuple[Webhook, WebhookState, HourChart, Delivery | None]


async def show_webhooks(request: PageRequest) -> Response:
    """Show the team's webhooks, newest first."""
    page = await _find(request)
    request.call.charge(tokens_for(rows=page.looked_at))
    active, disabled = await request.handles.reader.fetch(console_reads.count_webhooks, request.team_id, _COUNTED + 1)
    filters = _filters(request)
    return await request.page(
        "webhooks.html",
        rows=_rows(request, page.items),
        next_page=request.path("webhooks", cursor=cursor(request, "webhooks", page.next_cursor, **filters), **filters)
        if page.next_cursor
        else "",
        first_page=request.path("webhooks", **filters) if request.query("cursor") else "",
        live="" if request.query("cursor") else request.path("webhooks", "live", **filters),
        counts={"": _shown(active + disabled), "active": _shown(active), "disabled": _shown(disabled)},
        has_any=bool(active + disabled),
        **filters,
    )


async def follow_webhooks(request: PageRequest) -> Streamed:
    """Stream the first page of the list."""

    async def make_parts() -> Parts:
        rows = _rows(request, (await _find(request)).items)
        return {"webhook-rows": await request.fragment("webhook_rows.html", rows=rows)}

    return live(request, None, make_parts)


async def _find(request: PageRequest) -> Page[WebhookSummary]:
    filters = _filters(request)
    return await request.handles.reader.fetch(
        console_reads.webhook_summaries,
        request.team_id,
        request.now,
        _PAGE,
        position(request, "webhooks", **filters),
        _ACTIVE[filters["state"]],
        filters["search"],
    )


def _rows(request: PageRequest, found: Iterable[WebhookSummary]) -> list[WebhookRow]:
    handles, now = request.handles, request.now
    return [
        (summary.webhook, state_of(handles, summary.webhook), hour_chart(summary.hours, now), summary.last_delivery)
        for summary in found
    ]


def _filters(request: PageRequest) -> dict[str, Any]:
    state = request.query("state")
    return {"state": state if state in _ACTIVE else "", "search": request.query("search")[:_LONGEST_SEARCH]}


def _shown(count: int) -> str:
    return f"{count:,}" if count <= _COUNTED else f"{_COUNTED:,}+"
