"""Erasing an event, after it was asked whether that is meant."""

from quart import Response

from api.console.pages.event_page import find
from api.console.session.page_request import PageRequest
from api.routes.event_erasing import erase_event


async def show_erase(request: PageRequest, event_id: str) -> Response:
    """Ask whether it is meant."""
    return await request.page("event_erase.html", event=await find(request, event_id))


async def erase(request: PageRequest, event_id: str) -> Response:
    """Erase the event."""
    await erase_event(request.call, event_id)
    return request.done(request.path("events", event_id), "event-erased")
