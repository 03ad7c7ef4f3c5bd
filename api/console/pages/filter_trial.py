"""*Try it* beside the filter of a webhook's form: what the filter that was typed says of an event."""

from dataclasses import dataclass, field
from typing import Any

from api.console.session.page_request import PageRequest
from api.console.session.refusals import field_mistakes
from api.http.errors import ApiError, Code
from api.http.json_body import validate
from api.routes.filter_options import FilterTest, try_filter

_EVENT_ID = "evt_"


@dataclass(frozen=True, slots=True)
class FilterTrial:
    """What came of it: a sentence, or mistakes by field; `on` is what was typed to try it on."""

    on: str = ""
    says: str = ""
    mistakes: dict[str, str] = field(default_factory=dict)


async def tried_filter(request: PageRequest) -> FilterTrial:
    """Return what the filter of the form says of the event, or of the type's example, that the form names."""
    on, text = request.form.text("tryOn"), request.form.text("filter")
    if not text:
        return FilterTrial(on, says="There is no filter: the webhook would get it.")
    given: dict[str, Any] = {"filter": text, "eventId" if on.startswith(_EVENT_ID) else "eventType": on}
    try:
        tried = await try_filter(request.call, validate(given, FilterTest, request.call.known))
    except ApiError as error:
        return FilterTrial(on, mistakes=_mistakes(error))
    if tried.error is not None:
        return FilterTrial(on, says=f"It fails, which counts as no match: {tried.error}.")
    return FilterTrial(on, says="It matches: the webhook would get it." if tried.matched else "It does not match.")


def _mistakes(error: ApiError) -> dict[str, str]:
    if error.code is Code.NOT_FOUND:
        return {"tryOn": "There is no such event."}
    found = field_mistakes(error)
    wrong = {"filter": found["filter"]} if "filter" in found else {}
    return wrong or {"tryOn": "Choose an event type of the list, or enter the id of an event."}
