"""Values in the binary form in which PostgreSQL takes them, above all arrays: one for each column of many rows.

An array is its dimensions, whether it has NULLs, the number of its elements' type, and each element behind its length
(PostgreSQL's array_recv). That costs a fraction of what psycopg's own adaptation of a list does.
"""

import struct
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

import psycopg

# As in Unicode for what cannot be shown (chapter 23.8).
_INSTEAD_OF_NUL = "\N{REPLACEMENT CHARACTER}".encode()
_ARRAY, _EMPTY_ARRAY = Struct("!iiiii"), Struct("!iii")
_LENGTH = Struct("!i")
_NULL = _LENGTH.pack(-1)
_FIRST = 1  # where PostgreSQL's arrays begin

Encode = Callable[[Sequence[Any]], bytes]


def bigint(value: int) -> bytes:
    """Return a bigint. Raises psycopg.DataError if it is none."""
    return _packed(_BIGINT, value)


def integer(value: int) -> bytes:
    """Return an integer. Raises psycopg.DataError if it is none."""
    return _packed(_INTEGER, value)


def text(value: str) -> bytes:
    """Return a text, in which U+FFFD takes the place of NUL: PostgreSQL's has none."""
    encoded = value.encode()
    return encoded.replace(b"\0", _INSTEAD_OF_NUL) if b"\0" in encoded else encoded


def bigints(values: Sequence[int | None]) -> bytes:
    """Return an array of bigints. Raises psycopg.DataError if one is none."""
    return _numbers("int8", _BIGINT_ELEMENT, values)


def integers(values: Sequence[int | None]) -> bytes:
    """Return an array of integers. Raises psycopg.DataError if one is none."""
    return _numbers("int4", _INTEGER_ELEMENT, values)


def booleans(values: Sequence[bool | int | None]) -> bytes:
    """Return an array of booleans, each given as it is or as 0 or 1."""
    return _array("bool", values, [_NULL if value is None else _TRUE if value else _FALSE for value in values])


def texts(values: Sequence[str | None]) -> bytes:
    """Return an array of texts, in which U+FFFD takes the place of NUL."""
    return _array("text", values, _behind_lengths([None if value is None else text(value) for value in values]))


def byte_strings(values: Sequence[bytes | None]) -> bytes:
    """Return an array of bytea."""
    return _array("bytea", values, _behind_lengths(values))


_BIGINT, _INTEGER = Struct("!q"), Struct("!i")
_BIGINT_ELEMENT, _INTEGER_ELEMENT = Struct("!iq"), Struct("!ii")
_TRUE, _FALSE = Struct("!i?").pack(1, True), Struct("!i?").pack(1, False)
_TYPE_NUMBERS = {name: psycopg.adapters.types[name].oid for name in ("int8", "int4", "bool", "text", "bytea")}


def _numbers(type_name: str, element: Struct, values: Sequence[int | None]) -> bytes:
    pack, size = element.pack, element.size - _LENGTH.size
    try:
        return _array(type_name, values, [_NULL if value is None else pack(size, value) for value in values])
    except struct.error as error:
        raise _no_number(error) from None


def _packed(form: Struct, value: int) -> bytes:
    try:
        return form.pack(value)
    except struct.error as error:
        raise _no_number(error) from None


def _no_number(error: struct.error) -> psycopg.DataError:
    return psycopg.DataError(f"a number that PostgreSQL's type cannot hold: {error}")


def _behind_lengths(values: Sequence[bytes | None]) -> list[bytes]:
    pack, parts = _LENGTH.pack, list[bytes]()
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (pack(len(value)), value)
    return parts


def _array(type_name: str, values: Sequence[Any], parts: Sequence[bytes]) -> bytes:
    type_number = _TYPE_NUMBERS[type_name]
    if not values:
        return _EMPTY_ARRAY.pack(0, 0, type_number)
    return b"".join((_ARRAY.pack(1, None in values, type_number, len(values), _FIRST), *parts))
