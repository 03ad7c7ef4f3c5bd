"""Cursors that take any text: PostgreSQL's has no NUL, but what clients and receivers send may have."""

from collections.abc import Iterable
from typing import Any, Self

import psycopg
from psycopg.rows import TupleRow

# As in Unicode for what cannot be shown (chapter 23.8).
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


class TolerantCursor(psycopg.Cursor[TupleRow]):
    """A cursor that puts U+FFFD in the place of NUL in texts: what is looked for is not found, what is kept is legible.

    Psycopg refuses such texts before anything is sent; only then are they looked through.
    """

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        """See psycopg."""
        try:
            return super().execute(query, params, **options)
        except psycopg.DataError:
            if params == (without := _without_nul(params)):
                raise
            return super().execute(query, without, **options)

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        """See psycopg."""
        given = list(params_seq)
        try:
            super().executemany(query, given, **options)
        except psycopg.DataError:
            if given == (without := _without_nul(given)):
                raise
            super().executemany(query, without, **options)


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", _INSTEAD)
        case dict():
            return {name: _without_nul(each) for name, each in value.items()}
        case list() | tuple():
            return type(value)(map(_without_nul, value))
    return value
