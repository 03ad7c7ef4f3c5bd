"""Pagination of lists: cursors in the query."""

from collections.abc import Mapping

from api.console.session.page_request import PageRequest
from api.console.session.refusals import page_not_found
from api.http.cursors import decode_cursor, encode_cursor
from daemon.crypto.api_keys import Principal
from daemon.crypto.idempotency import scope_of


def position(request: PageRequest, of: str, **filters: str) -> int | None:
    """Return where this page of a list begins, None for the first page; `of` names what the list has.

    Raises Refused (404) for a cursor of another list.
    """
    given = request.query("cursor")
    if not given:
        return None
    found = decode_cursor(request.handles.cursor_key, given, list_of(request.call.principal, of, filters))
    if found is None:
        raise page_not_found()
    return found


def cursor(request: PageRequest, of: str, next_position: int | None, **filters: str) -> str:
    """Return the cursor of the next page, "" if there is none."""
    return (
        ""
        if next_position is None
        else encode_cursor(request.handles.cursor_key, next_position, list_of(request.call.principal, of, filters))
    )


def list_of(principal: Principal, of: str, filters: Mapping[str, str]) -> list[str]:
    """Return what identifies a list: its cursors are valid for it only."""
    given = sorted((name, value) for name, value in filters.items() if value)
    return [scope_of(principal.team_id), "console", of, *(text for pair in given for text in pair)]
