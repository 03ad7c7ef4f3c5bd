"""What people look for: an id or its beginning, an idempotency key, a text of a payload, or the value of a field.

A text matches a payload where it stands in its bytes as they are sent, or in one of its strings as a JSON parser reads
it: so it does not matter which characters were escaped. A field has the value that a string is equal to, or as which a
number, `true`, `false` or `null` is written.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson

# An id begins with its kind; then come 10 characters of time and 16 of chance.
_LENGTH = 26
_ID = re.compile(r"(?:(evt|dlv|wh)_)?([0-9a-hjkmnp-tv-z]{6,26})", re.ASCII)
_FIELD = re.compile(r"data((?:\.[^.=\s]+)+)=(.+)", re.DOTALL)
# What an encoder may write otherwise, though it is ASCII: by `\"`, `\\/`, `\n` and so on.
_SHORT_ESCAPES = re.compile(r'["\\/\x00-\x1f]')
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")


class Kind(StrEnum):
    """What can be found."""

    EVENT = "event"
    DELIVERY = "delivery"
    WEBHOOK = "webhook"


PREFIXES: Mapping[Kind, str] = MappingProxyType({Kind.EVENT: "evt", Kind.DELIVERY: "dlv", Kind.WEBHOOK: "wh"})


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of a kind from `first` to `last`, both included: one alone, or all with the same beginning."""

    kind: Kind
    first: str
    last: str

    @property
    def is_whole(self) -> bool:
        """Whether this is a single id."""
        return self.first == self.last


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a text asks for. `value` is that of the field at `path` of the data, if it names one, else the text.

    A payload that matches contains `needle`, unless it has escapes: then it contains `escape`. `is_plain` says that no
    encoder has to escape any of the value.
    """

    text: str
    ids: tuple[Ids, ...]
    path: tuple[str, ...]
    value: str
    needle: bytes
    escape: bytes
    is_plain: bool

    @property
    def is_whole_id(self) -> bool:
        """Whether it is a whole id with its kind."""
        return len(self.ids) == 1 and self.ids[0].is_whole


def read_wanted(text: str) -> Wanted:
    """Return what a text asks for."""
    field = _FIELD.fullmatch(text)
    path = tuple(field[1].split(".")[1:]) if field else ()
    value = field[2] if field else text
    has_short_escapes = _SHORT_ESCAPES.search(value) is not None
    return Wanted(
        text,
        _ids(text),
        path=path,
        value=value,
        needle=value.encode(),
        escape=b"\\" if has_short_escapes else b"\\u",
        is_plain=value.isascii() and not has_short_escapes,
    )


def _ids(text: str) -> tuple[Ids, ...]:
    found = _ID.fullmatch(text)
    if found is None:
        return ()
    kinds = [kind for kind, prefix in PREFIXES.items() if found[1] in (None, prefix)]
    missing = _LENGTH - len(found[2])
    return tuple(
        Ids(kind, f"{PREFIXES[kind]}_{found[2]}{'0' * missing}", f"{PREFIXES[kind]}_{found[2]}{'z' * missing}")
        for kind in kinds
    )


def must_be_read(wanted: Wanted, body: bytes) -> bool:
    """Whether only the value of a payload, which is JSON, can tell whether it matches; else its bytes do."""
    if wanted.path or wanted.needle in body:
        return bool(wanted.path)
    return wanted.escape in body and not (wanted.is_plain and _ESCAPED_ASCII.search(body) is None)


def value_matches(wanted: Wanted, body: bytes) -> bool:
    """Whether the value of a payload has what is wanted."""
    if wanted.path:
        return _has_value(_read(body).get("data"), wanted.path, wanted.value)
    return orjson.dumps(wanted.value)[1:-1] in orjson.dumps(_read(body))


def _read(body: bytes) -> dict[str, Any]:
    """Return a payload's value; numbers, of any length, are as they are written."""
    read: dict[str, Any] = json.loads(body, parse_int=_Written, parse_float=_Written)
    return read


class _Written(str):
    """A number, as it is written."""

    __slots__ = ()


def _has_value(value: Any, path: Sequence[str], text: str) -> bool:
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
        else:
            return False
    if isinstance(value, str):
        return value == text
    return (value is None or isinstance(value, bool)) and orjson.dumps(value).decode() == text
