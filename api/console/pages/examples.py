"""Example payloads, as a delivery would carry them."""

from api.console.drawing.excerpts import readable_json
from api.console.session.page_request import Visit
from api.routes.submission import serialise


def example_payload(visit: Visit, event: str) -> str:
    """Return the body of a delivery of this event type, with line breaks."""
    example = visit.handles.catalogue[event].example
    return readable_json(serialise(event, visit.team_id, visit.now, example))
