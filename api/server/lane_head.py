"""Which requests the fast lane takes: heads that leave nothing to judge (RFC 9112).

What is unusual, be it right or wrong, is not judged here at all: the general server does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.http.json_body import JSON, NDJSON
from api.http.plain import PlainHeaders
from api.limits.sizes import MAX_BODY_BYTES_OF_PATH, MAX_HEAD_BYTES

END = b"\r\n\r\n"
_START = b"POST /v1/events"
# Visible ASCII and spaces, line by line; what a name may have is RFC 9110's token (5.6.2).
_HEAD = re.compile(
    rb"POST (?P<path>/v1/events(?:/batch)?) HTTP/1\.1\r\n(?P<fields>(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*\r\n)+)\r\n"
)
_NO_TEXT = re.compile(rb"[^ -~\r\n]|(?<!\r)\n|\r(?=[^\n])")
_FIELD = re.compile(r"([^:]+):([^\r]*)\r\n")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]+)?")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,8}")
_ONCE = {"host", "content-length", "content-type"}
_UNUSUAL = {"transfer-encoding", "expect", "upgrade", "te", "trailer"}


@dataclass(frozen=True, slots=True)
class LaneHead:
    """The head of a request that the lane takes."""

    path: str
    headers: PlainHeaders
    mimetype: str
    content_length: int


def may_become_head(data: bytearray, seen: int) -> bool:
    """Whether what came so far, without an end, may be the beginning of a head that the lane takes.

    The first `seen` bytes were looked at before.
    """
    is_short = len(data) <= MAX_HEAD_BYTES and data[: len(_START)] == _START[: len(data)]
    return is_short and _NO_TEXT.search(data, max(0, seen - 1)) is None


def read_head(head: bytes) -> LaneHead | None:
    """Return a whole head, its last empty line included, None if it is not beyond doubt."""
    found = _HEAD.fullmatch(head) if len(head) <= MAX_HEAD_BYTES else None
    if found is None:
        return None
    values: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(found["fields"].decode()):
        values.setdefault(name.lower(), []).append(value.strip(" "))
    if not _are_usual(values):
        return None
    path, [mimetype], [length] = found["path"].decode(), values["content-type"], values["content-length"]
    mimetype = mimetype.partition(";")[0].strip(" ").lower()
    if mimetype not in (JSON, NDJSON) or not _LENGTH.fullmatch(length) or int(length) > MAX_BODY_BYTES_OF_PATH[path]:
        return None
    return LaneHead(path, PlainHeaders(values), mimetype=mimetype, content_length=int(length))


def _are_usual(values: Mapping[str, Sequence[str]]) -> bool:
    return (
        values.keys() >= _ONCE
        and len(values["host"]) == len(values["content-length"]) == len(values["content-type"]) == 1
        and _UNUSUAL.isdisjoint(values)
        and all(value.lower() == "keep-alive" for value in values.get("connection", ()))
        and _HOST.fullmatch(values["host"][0]) is not None
    )
