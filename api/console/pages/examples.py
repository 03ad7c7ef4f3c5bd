"""Example payloads, as a delivery would carry them."""

from api.console.session.page_request import PageRequest
from api.routes.submission import serialise
from daemon.domain.readable_json import readable_json


def example_payload(request: PageRequest, event: str) -> str:
    """Return the body of a delivery of this event type, with line breaks."""
    example = request.handles.every_type[event].example
    return readable_json(serialise(event, request.team_id, timestamp=request.now, data=example))
