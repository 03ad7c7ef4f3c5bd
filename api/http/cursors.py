"""Pages of lists, and the cursors that lead from one to the next (contract "HTTP API").

A cursor is sealed with AES-SIV (RFC 5297) for one list as one reader sees it: it reveals nothing, not even how much was
accepted in between, and is of no use for any other list.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from api.http.errors import wrong_field
from api.http.route import Call
from api.http.wire import Item, Page
from daemon.crypto.idempotency import scope_of

_BYTES = 8
_CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")  # the position and 16 bytes that authenticate it
# These bound a list without making it a different list: a time "an hour ago" differs from page to page.
_NOT_BOUND = ("limit", "cursor", "since", "until")


def position_of(call: Call, cursor: str | None) -> int | None:
    """Return where the page begins, None for the first. Raises ApiError (422) for a cursor that is not of this list."""
    if cursor is None:
        return None
    position = decode_cursor(call.handles.cursor_key, cursor, _list_of(call))
    if position is None:
        raise wrong_field("query.cursor", "expected the nextCursor of the previous page, with the same filters")
    return position


def page_of(call: Call, items: Iterable[Item], next_position: int | None) -> Page[Item]:
    """Return a page of these items; `next_position` is where the next one begins."""
    return Page(items=list(items), next_cursor=next_cursor(call, next_position))


def next_cursor(call: Call, next_position: int | None) -> str | None:
    """Return the cursor of the next page of the list that was asked for, None if there is none."""
    return None if next_position is None else encode_cursor(call.handles.cursor_key, next_position, _list_of(call))


def encode_cursor(key: bytes, position: int, bound_to: Sequence[str]) -> str:
    """Return the cursor for a place in the list that `bound_to` names, its reader first."""
    sealed = AESSIV(key).encrypt(position.to_bytes(_BYTES), [part.encode() for part in bound_to])
    return urlsafe_b64encode(sealed).decode()


def decode_cursor(key: bytes, cursor: str, bound_to: Sequence[str]) -> int | None:
    """Return the place that a cursor stands for, None unless `encode_cursor` made it so for this list and reader."""
    if not _CURSOR.fullmatch(cursor):
        return None
    try:
        sealed = AESSIV(key).decrypt(urlsafe_b64decode(cursor), [part.encode() for part in bound_to])
    except InvalidTag:
        return None
    return int.from_bytes(sealed)


def _list_of(call: Call) -> list[str]:
    request = call.request
    given = sorted((name, value) for name, value in request.args.items(multi=True) if name not in _NOT_BOUND)
    return [scope_of(call.principal.team_id), request.path, *(text for pair in given for text in pair)]
