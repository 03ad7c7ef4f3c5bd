"""The list of deliveries, of a team and of one webhook."""

from typing import Any

from quart import Response

from api.console.pages.delivery_filter import Filter, read_filter
from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.session.page_request import Visit
from api.http.dispatch import Streamed
from daemon.domain.model import DeliveryStatus
from daemon.store.reads import api_reads, console_reads

_PAGE = 50


async def show_deliveries(visit: Visit) -> Response:
    """Show the team's deliveries, newest first."""
    return await visit.page("deliveries.html", **await delivery_list(visit, read_filter(visit), "deliveries"))


async def follow_deliveries(visit: Visit) -> Streamed:
    """Stream the first page of the list."""
    chosen = read_filter(visit)

    async def make_parts() -> Parts:
        return {"delivery-rows": await delivery_rows(visit, chosen)}

    return live(visit, chosen.wanted.webhook_id, make_parts)


async def delivery_list(visit: Visit, chosen: Filter, *parts: str) -> dict[str, Any]:
    """Return what a template needs to show a list of deliveries at the page of this address."""
    given = {name: value for name, value in chosen.given.items() if value}
    of = _list_name(chosen)
    is_first = not visit.query("cursor")
    rows, next_position = ([], None) if chosen.mistakes else await _find(visit, chosen)
    return {
        "deliveries": rows,
        "names": await _names(visit, rows, chosen),
        "chosen": chosen,
        "statuses": [status.value for status in DeliveryStatus],
        "event_types": list(visit.handles.catalogue),
        "next_page": visit.path(*parts, cursor=cursor(visit, of, next_position, **given), **given)
        if next_position
        else "",
        "first_page": "" if is_first else visit.path(*parts, **given),
        "live": visit.path(*parts, "live", **given) if is_first and not chosen.mistakes else "",
    }


async def delivery_rows(visit: Visit, chosen: Filter) -> str:
    """Return the rows of the first page."""
    rows, _ = await _find(visit, chosen, first=True)
    names = await _names(visit, rows, chosen)
    return await visit.fragment("delivery_rows.html", deliveries=rows, names=names, chosen=chosen)


async def _find(visit: Visit, chosen: Filter, *, first: bool = False) -> tuple[list[Any], int | None]:
    before = None if first else position(visit, _list_name(chosen), **chosen.given)
    page = await visit.handles.reader.fetch(api_reads.list_deliveries, chosen.wanted, _PAGE, before)
    return list(page.items), page.next_cursor


def _list_name(chosen: Filter) -> str:
    return f"deliveries {chosen.wanted.webhook_id or ''}".strip()


async def _names(visit: Visit, rows: list[Any], chosen: Filter) -> dict[str, str]:
    """Return the webhooks' names; on one webhook's page nobody needs them."""
    ids = {delivery.webhook_id for delivery in rows}
    if not ids or (chosen.wanted.webhook_id is not None and not chosen.given["webhook"]):
        return {}
    return await visit.handles.reader.fetch(console_reads.webhook_names, ids)
