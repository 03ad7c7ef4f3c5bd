"""An event's page: what was submitted, by whom and when, and what became of each delivery of it."""

from typing import Any

from quart import Response

from api.console.pages.deliveries_page import shown_rows
from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.rendering.excerpts import excerpt
from api.console.session.page_request import PAGE_HEADERS, PageRequest
from api.http.auth import owned
from api.http.errors import not_found
from api.http.streamed import Streamed
from api.routes.event_erasing import is_being_erased
from api.routes.events import idempotency_key_of, key_names
from daemon.domain.model import Delivery, Event
from daemon.domain.readable_json import readable_json
from daemon.store.reads import api_reads, delivery_reads
from daemon.store.reads.pagination import Page

_PAGE = 50
_MAX_BODY_BYTES = 24 * 1024  # of a page's 100 KB


async def find(request: PageRequest, event_id: str) -> Event:
    """Return an event of the team. Raises ApiError (404)."""
    return owned(request.call, await request.handles.reader.fetch(api_reads.get_event, event_id), "event")


async def show_event(request: PageRequest, event_id: str) -> Response:
    """Show the page."""
    event = await find(request, event_id)
    page = await _deliveries(request, event_id)
    next_cursor = cursor(request, _list_of(event_id), page.next_cursor)
    here, is_first = ("events", event_id), not request.query("cursor")
    shown: dict[str, Any] = {
        "event": event,
        "key_names": await key_names(request.call, [event]),
        "idempotency_key": await idempotency_key_of(request.call, event, is_operator=request.is_operator),
        "erasing": await is_being_erased(request.call, event),
        "body": excerpt(readable_json(event.body), _MAX_BODY_BYTES),
        "next_page": request.path(*here, cursor=next_cursor) if next_cursor else "",
        "first_page": "" if is_first else request.path(*here),
        "live": request.path(*here, "live") if is_first else "",
        **await shown_rows(request, list(page.items)),
    }
    return await request.page("event.html", **shown)


async def follow_event(request: PageRequest, event_id: str) -> Streamed:
    """Stream the first page of the event's deliveries."""
    await find(request, event_id)

    async def make_parts() -> Parts:
        page = await _deliveries(request, event_id, first=True)
        rows = await shown_rows(request, list(page.items))
        return {"delivery-rows": await request.fragment("delivery_rows.html", ticks=False, **rows)}

    return live(request, None, make_parts)


async def download_event(request: PageRequest, event_id: str) -> Response:
    """Return the body that is sent of the event, byte for byte, as a file."""
    event = await find(request, event_id)
    if event.erased_at is not None:
        raise not_found("body: the event was erased")
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="{event_id}.json"'}
    return Response(event.body, content_type="application/json", headers=headers)


async def _deliveries(request: PageRequest, event_id: str, *, first: bool = False) -> Page[Delivery]:
    after = None if first else position(request, _list_of(event_id))
    return await request.handles.reader.fetch(delivery_reads.deliveries_of_event, event_id, _PAGE, after)


def _list_of(event_id: str) -> str:
    return f"event {event_id}"
