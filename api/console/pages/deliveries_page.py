"""The list of deliveries, of a team and of one webhook."""

from typing import Any

from quart import Response

from api.console.pages.delivery_filter import Filter, read_filter
from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.session.page_request import PageRequest
from api.http.dispatch import Streamed
from daemon.domain.model import DeliveryStatus
from daemon.store.reads import api_reads, console_reads

_PAGE = 50


async def show_deliveries(request: PageRequest) -> Response:
    """Show the team's deliveries, newest first."""
    return await request.page("deliveries.html", **await delivery_list(request, read_filter(request), "deliveries"))


async def follow_deliveries(request: PageRequest) -> Streamed:
    """Stream the first page of the list."""
    chosen = read_filter(request)

    async def make_parts() -> Parts:
        return {"delivery-rows": await delivery_rows(request, chosen)}

    return live(request, chosen.wanted.webhook_id, make_parts)


async def delivery_list(request: PageRequest, chosen: Filter, *parts: str) -> dict[str, Any]:
    """Return the template's values for a list of deliveries on the page with this path."""
    given = {name: value for name, value in chosen.given.items() if value}
    of = _list_name(chosen)
    is_first = not request.query("cursor")
    rows, next_position = ([], None) if chosen.mistakes else await _find(request, chosen)
    return {
        "deliveries": rows,
        "names": await _names(request, rows, chosen),
        "chosen": chosen,
        "statuses": [status.value for status in DeliveryStatus],
        "event_types": list(request.handles.catalogue),
        "next_page": request.path(*parts, cursor=cursor(request, of, next_position, **given), **given)
        if next_position
        else "",
        "first_page": "" if is_first else request.path(*parts, **given),
        "live": request.path(*parts, "live", **given) if is_first and not chosen.mistakes else "",
    }


async def delivery_rows(request: PageRequest, chosen: Filter) -> str:
    """Return the rows of the first page."""
    rows, _ = await _find(request, chosen, first=True)
    names = await _names(request, rows, chosen)
    return await request.fragment("delivery_rows.html", deliveries=rows, names=names, chosen=chosen)


async def _find(request: PageRequest, chosen: Filter, *, first: bool = False) -> tuple[list[Any], int | None]:
    before = None if first else position(request, _list_name(chosen), **chosen.given)
    page = await request.handles.reader.fetch(api_reads.list_deliveries, chosen.wanted, _PAGE, before)
    return list(page.items), page.next_cursor


def _list_name(chosen: Filter) -> str:
    return f"deliveries {chosen.wanted.webhook_id or ''}".strip()


async def _names(request: PageRequest, rows: list[Any], chosen: Filter) -> dict[str, str]:
    """Return the webhooks' names; the page of a single webhook does not show them."""
    ids = {delivery.webhook_id for delivery in rows}
    if not ids or (chosen.wanted.webhook_id is not None and not chosen.given["webhook"]):
        return {}
    return await request.handles.reader.fetch(console_reads.webhook_names, ids)
