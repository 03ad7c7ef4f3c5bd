"""The list of a team's events."""

from dataclasses import dataclass, field
from typing import Any

from quart import Response

from api.console.pages.delivery_filter import UNKNOWN_EVENT
from api.console.pages.lists import cursor, position
from api.console.pages.time_window import WINDOW_FIELDS, read_window
from api.console.session.page_request import PageRequest
from api.routes.events import SubmittedWith, find_events, key_names, scopes_for
from daemon.domain.model import EventSummary
from daemon.store.reads.event_reads import EventFilter
from daemon.store.reads.pagination import Page

_PAGE = 50
_FIELDS = ("event", "key", *WINDOW_FIELDS)
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Filter:
    """The fields as given, the filter that they mean, and the mistakes in them; `key` is an idempotency key."""

    given: dict[str, str]
    wanted: EventFilter
    mistakes: dict[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        """Whether any field is filled in."""
        return any(self.given.values())


async def show_events(request: PageRequest) -> Response:
    """Show the team's events, newest first."""
    chosen = _read_filter(request)
    given = {name: value for name, value in chosen.given.items() if value}
    found: Page[EventSummary] = Page((), None) if chosen.mistakes else await _find(request, chosen)
    rows, next_position = found.items, found.next_cursor
    shown: dict[str, Any] = {
        "events": rows,
        "key_names": await key_names(request.call, rows),
        "chosen": chosen,
        "event_types": {name: name for name in request.handles.every_type},
        "next_page": request.path("events", cursor=cursor(request, "events", next_position, **given), **given)
        if next_position
        else "",
        "first_page": request.path("events", **given) if request.query("cursor") else "",
    }
    return await request.page("events.html", **shown)


async def _find(request: PageRequest, chosen: Filter) -> Page[EventSummary]:
    key, scopes = chosen.given["key"], scopes_for(request.team_id, is_operator=request.is_operator)
    submitted_with, before = SubmittedWith(key, scopes) if key else None, position(request, "events", **chosen.given)
    return await find_events(request.call, chosen.wanted, submitted_with, limit=_PAGE, before=before)


def _read_filter(request: PageRequest) -> Filter:
    given = {name: request.query(name)[:_LONGEST] for name in _FIELDS}
    mistakes: dict[str, str] = {}
    if given["event"] and given["event"] not in request.handles.every_type:
        mistakes["event"] = UNKNOWN_EVENT
    window = read_window(request, given)
    wanted = EventFilter(request.team_id, given["event"] or None, since=window.since, until=window.until)
    return Filter(given, wanted, {**mistakes, **window.mistakes})
