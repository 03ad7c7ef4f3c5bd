"""Pages of lists: where they go on, and what their addresses say."""

from collections.abc import Mapping

from api.console.session.page_request import PageRequest
from api.console.session.refusals import page_not_found
from api.http.cursors import decode_cursor, encode_cursor
from daemon.crypto.api_keys import Principal
from daemon.crypto.idempotency import scope_of


def position(request: PageRequest, of: str, **filters: str) -> int | None:
    """Return where this page of a list begins, None for the first; `of` says what the list is of.

    Raises Refused (404) for a cursor that is not of this list.
    """
    given = request.query("cursor")
    if not given:
        return None
    found = decode_cursor(request.handles.cursor_key, given, list_of(request.call.principal, of, filters))
    if found is None:
        raise page_not_found()
    return found


def cursor(request: PageRequest, of: str, next_position: int | None, **filters: str) -> str:
    """Return what the address of the next page carries, "" if there is none."""
    return (
        ""
        if next_position is None
        else encode_cursor(request.handles.cursor_key, next_position, list_of(request.call.principal, of, filters))
    )


def list_of(principal: Principal, of: str, filters: Mapping[str, str]) -> list[str]:
    """Return what the cursors of a list are bound to."""
    given = sorted((name, value) for name, value in filters.items() if value)
    return [scope_of(principal.team_id), "console", of, *(text for pair in given for text in pair)]
