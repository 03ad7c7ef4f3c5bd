"""The event types, each with an example and the code that verifies it."""

from itertools import groupby

from quart import Response

from api.console.pages.examples import example_payload
from api.console.rendering.verification import verification_code
from api.console.session.page_request import PageRequest
from api.http.errors import not_found
from api.http.json_body import validate
from api.routes.testing import NewTest
from api.routes.testing import send_test as send_test_to_all
from daemon.domain.readable_json import readable_json


async def show_event_types(request: PageRequest) -> Response:
    """Show what webhooks can subscribe to, by category."""
    types = sorted(request.handles.every_type.values(), key=lambda event_type: event_type.category)
    grouped = [(category, list(some)) for category, some in groupby(types, lambda event_type: event_type.category)]
    return await request.page("event_types.html", groups=grouped)


async def show_event_type(request: PageRequest, event: str) -> Response:
    """Show one event type."""
    event_type = request.handles.every_type.get(event)
    if event_type is None:
        raise not_found("event type")
    example = example_payload(request, event)
    schema = None if event_type.schema is None else readable_json(event_type.schema)
    return await request.page(
        "event_type.html", event_type=event_type, example=example, schema=schema, verification=verification_code()
    )


async def send_test(request: PageRequest, event: str) -> Response:
    """Send the example to all of the team's active webhooks that subscribe to it."""
    if event not in request.handles.every_type:
        raise not_found("event type")
    started = await send_test_to_all(request.call, validate({"event": event}, NewTest, request.call.known))
    if not started.deliveries:
        return request.done(request.path("event-types", event), "test-without-receiver")
    return request.done(request.path("deliveries"), "test-sent")
