"""Numbers of deliveries that one cell lists, as a JSON array."""

from collections.abc import Sequence

import orjson
from sqlalchemy import ColumnElement, Text, cast, func, literal


def seqs_to_text(seqs: Sequence[int]) -> str | None:
    """Return what is kept of them, None if there are none."""
    return orjson.dumps(seqs).decode() if seqs else None


def seqs_from_text(text: str | None) -> Sequence[int]:
    """Return what was kept."""
    return [] if text is None else [int(seq) for seq in orjson.loads(text)]


def is_listed(seq: ColumnElement[int], text: ColumnElement[str | None]) -> ColumnElement[bool]:
    """Return the condition that this text, which is not NULL, lists the number."""
    with_commas = func.replace(func.replace(text, "[", ","), "]", ",")
    return with_commas.like(literal("%,").concat(cast(seq, Text)).concat(",%"))
