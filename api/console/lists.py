"""Pages of lists: where they go on, and what their addresses say."""

from api.console.refusals import page_not_found
from api.console.visit import Visit
from api.wire import decode_cursor, encode_cursor


def position(visit: Visit) -> int | None:
    """Return where this page of a list begins, None for the first. Raises Refused (404) for what is none of ours."""
    given = visit.query("cursor")
    if not given:
        return None
    try:
        return decode_cursor(given)
    except ValueError:
        raise page_not_found() from None


def cursor(next_position: int | None) -> str:
    """Return what the address of the next page carries, "" if there is none."""
    return "" if next_position is None else encode_cursor(next_position)
