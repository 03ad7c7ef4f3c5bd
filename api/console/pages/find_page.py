"""What the search box finds: an event, a delivery or a webhook, by whatever is known of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from quart import Response

from api.console.pages.lists import cursor, position
from api.console.pages.time_window import WINDOW_FIELDS, read_window
from api.console.session.page_request import PageRequest, address, see_other
from api.routes.search import LONGEST, SHORTEST, Extent, Match, Results, find
from daemon.domain.search import Kind
from daemon.store.reads.search_reads import Hit

_PAGE = 50
_SECTIONS: Mapping[Kind, str] = MappingProxyType(
    {Kind.EVENT: "events", Kind.DELIVERY: "deliveries", Kind.WEBHOOK: "webhooks"}
)
_GROUPS: Mapping[Match, str] = MappingProxyType(
    {
        Match.ID: "By their id",
        Match.IDEMPOTENCY_KEY: "By the Idempotency-Key that they came with",
        Match.PAYLOAD: "By their payload",
    }
)


async def find_in_team(request: PageRequest) -> Response:
    """Show what a text finds in the team, or lead to what has exactly this id."""
    return await _find(request, request.team_id, "teams", request.team_id, "find")


async def find_anywhere(request: PageRequest) -> Response:
    """Show what has such an id in any team, or lead there."""
    return await _find(request, None, "find")


async def _find(request: PageRequest, team_id: str | None, *parts: str) -> Response:
    given = {name: request.query(name)[:LONGEST].replace("\0", "") for name in ("q", *WINDOW_FIELDS)}
    window = read_window(request, given)
    results = None
    if len(given["q"]) >= SHORTEST and not window.mistakes:
        extent = Extent(_PAGE, position(request, "found", **given), since=window.since, until=window.until)
        results = await find(request.call, given["q"], team_id=team_id, extent=extent, is_operator=request.is_operator)
        if results.only is not None:
            return see_other(path_of(results.only))
    return await request.page(
        "find.html", **_values(request, given, results=results, mistakes=window.mistakes, parts=parts)
    )


def _values(
    request: PageRequest,
    given: Mapping[str, str],
    *,
    results: Results | None,
    mistakes: Mapping[str, str],
    parts: tuple[str, ...],
) -> dict[str, Any]:
    searched = None if results is None else results.payloads
    found = () if results is None else results.found
    groups = {words: [hit for hit, match in found if match is kind] for kind, words in _GROUPS.items()}
    next_position = None if searched is None else searched.next_cursor
    next_cursor = cursor(request, "found", next_position, **given)
    return {
        "q": given["q"],
        "here": address(*parts),
        "chosen": {"given": given, "mistakes": mistakes},
        "shortest": SHORTEST,
        "is_asked": results is not None,
        "groups": {words: hits for words, hits in groups.items() if hits},
        "searched": searched,
        "path_of": path_of,
        "next_page": address(*parts, cursor=next_cursor, **given) if next_cursor else "",
        "first_page": address(*parts, **given) if request.query("cursor") else "",
    }


def path_of(hit: Hit) -> str:
    """Return the URL path of the page of what was found."""
    return address("teams", hit.team_id, _SECTIONS[hit.kind], hit.id)
