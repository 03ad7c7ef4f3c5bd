"""The list of webhooks."""

from typing import Any

from quart import Response

from api.console.drawing.charts import HourChart, hour_chart
from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.pages.webhook_state import WebhookState, state_of
from api.console.session.page_request import Visit
from api.http.dispatch import Streamed
from daemon.domain.model import Delivery, Webhook
from daemon.store.reads import console_reads

_PAGE = 25
_COUNTED = 10_000  # in two milliseconds
_LONGEST_SEARCH = 200
_ACTIVE = {"": None, "active": True, "disabled": False}

WebhookRow = tuple[Webhook, WebhookState, HourChart, Delivery | None]


async def show_webhooks(visit: Visit) -> Response:
    """Show the team's webhooks, newest first."""
    rows, next_position = await _rows(visit)
    active, disabled = await visit.handles.reader.fetch(console_reads.count_webhooks, visit.team_id, _COUNTED + 1)
    filters = _filters(visit)
    return await visit.page(
        "webhooks.html",
        rows=rows,
        next_page=visit.path("webhooks", cursor=cursor(visit, "webhooks", next_position, **filters), **filters)
        if next_position
        else "",
        first_page=visit.path("webhooks", **filters) if visit.query("cursor") else "",
        live="" if visit.query("cursor") else visit.path("webhooks", "live", **filters),
        counts={"": _shown(active + disabled), "active": _shown(active), "disabled": _shown(disabled)},
        has_any=bool(active + disabled),
        **filters,
    )


async def follow_webhooks(visit: Visit) -> Streamed:
    """Stream the first page of the list."""

    async def make_parts() -> Parts:
        rows, _ = await _rows(visit)
        return {"webhook-rows": await visit.fragment("webhook_rows.html", rows=rows)}

    return live(visit, None, make_parts)


async def _rows(visit: Visit) -> tuple[list[WebhookRow], int | None]:
    filters, handles, now = _filters(visit), visit.handles, visit.now
    page = await handles.reader.fetch(
        console_reads.webhook_summaries,
        visit.team_id,
        now,
        _PAGE,
        position(visit, "webhooks", **filters),
        _ACTIVE[filters["state"]],
        filters["search"],
    )
    rows = [
        (summary.webhook, state_of(handles, summary.webhook), hour_chart(summary.hours, now), summary.last_delivery)
        for summary in page.items
    ]
    return rows, page.next_cursor


def _filters(visit: Visit) -> dict[str, Any]:
    state = visit.query("state")
    return {"state": state if state in _ACTIVE else "", "search": visit.query("search")[:_LONGEST_SEARCH]}


def _shown(count: int) -> str:
    return f"{count:,}" if count <= _COUNTED else f"{_COUNTED:,}+"
