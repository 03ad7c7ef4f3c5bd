"""JSON for a person to read, its values as they are written: no parser's idea of a number, no name left out."""

from contextlib import suppress

from msgspec import MsgspecError
from msgspec.json import format as format_json


def readable_json(body: bytes) -> str:
    """Return JSON with line breaks, its values as they are written, or a text that is none; not UTF-8 is replaced."""
    with suppress(MsgspecError, RecursionError):
        body = format_json(body, indent=2)
    return body.decode(errors="replace")
