"""Submissions as bytes on the wire, usual and unusual, right and wrong, for the fast lane and the general server."""

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random

_EVENT = b'{"event": "linkedin.message.sent", "data": {"n": 1}}'
_DATES_AND_IDS = re.compile(rb"(?i)(?<=\r\ndate: )[^\r]+|evt_[0-9a-z]+")

_LENGTH = re.compile(rb"content-length: ([0-9]+)")

_METHODS = (b"POST",) * 12 + (b"post", b"DELETE", b"PUT", b"P\xd6ST")  # GET lists what was submitted meanwhile
_TARGETS = (b"/v1/events",) * 8 + (b"/v1/events/batch",) * 6 + (
    b"/v1/events?x=1", b"/v1/events/", b"/v1//events", b"/v1/%65vents", b"http://x/v1/events", b"/v1/eventsx", b"*",
)  # fmt: skip
_VERSIONS = (b"HTTP/1.1",) * 14 + (b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ")
_HOSTS = (b"Host: x",) * 14 + (
    b"host:x:80",
    b"HOST: [::1]:8080",
    b"Host: a b",
    b"Host: x\r\nHost: x",
    b"X: y",
    b"Host:",
)
_TYPES = (b"Content-Type: application/json",) * 10 + (
    b"content-type:application/x-ndjson", b"Content-Type: Application/JSON; charset=utf-8", b"Content-Type: text/plain",
    b"Content-Type: application/json\r\nContent-Type: application/json", b"X: y", b"Content-Type: application/json;",
    b"Content-Type: application/json,text/plain", b"Content-Type:  application/json  ",
)  # fmt: skip
_LENGTHS = (b"Content-Length: %d",) * 14 + (
    b"Content-Length: 0%d", b"Content-Length: +%d", b"content-length:  %d ", b"Content-Length: %d\r\nContent-Length: 1",
    b"Content-Length: %d\r\nTransfer-Encoding: chunked", b"X: %d", b"Content-Length : %d",
)  # fmt: skip
_MORE = (b"",) * 14 + (
    b"Idempotency-Key: k 1\r\n", b"Idempotency-Key: \r\n", b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: Identity\r\n", b"Connection: close\r\n", b"Connection: Keep-Alive\r\n", b"Upgrade: h2c\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"X-\xe9: y\r\n", b"X: \xe9\r\n", b"X: a\tb\r\n",
    b"X: a\x00b\r\n", b"X: a\n", b"X: a\r\n b\r\n", b" X: a\r\n", b"X\r\n", b": y\r\n", b"X@: y\r\n",
    b"Forwarded: for=1.2.3.4\r\n", b"X: " + b"y" * 16_384 + b"\r\n", b"Cookie: a=b\r\nCookie: c=d\r\n",
    b"TE: trailers\r\n", b"X: \x7f\r\n",
)  # fmt: skip
_BODIES = (_EVENT,) * 6 + (b"[" + _EVENT + b"," + _EVENT + b"]", _EVENT + b"\n" + _EVENT + b"\n") * 3 + (
    b"", b"{", b"[]", b"[1]", b"\xff", b'{"event": "x", "data": {}}', b'{"event": "linkedin.message.sent", "data": []}',
    b'{"event": "linkedin.message.sent", "data": {}, "teamId": "t"}', b'{"event": 1, "event": 1, "data": {}}',
    b'{"event": "linkedin.message.sent", "data": {"x": "' + b"x" * 20_000 + b'"}}',
    b'{"event": "linkedin.message.sent", "data": {"x": "' + b"x" * 270_000 + b'"}}', b" " * 530_000 + _EVENT,
)  # fmt: skip


def any_request(random: Random, key: str) -> bytes:
    """Return a request of which one part or another is odd; about a third are as most clients send them."""
    keys = (b"Authorization: Bearer %s",) * 12 + (
        b"authorization:bearer  %s", b"Authorization: Basic %s", b"Authorization: Bearer x%s", b"X: %s",
        b"Authorization: Bearer %s\r\nAuthorization: Bearer x",
    )  # fmt: skip
    body = random.choice(_BODIES)
    fields = [
        random.choice(_HOSTS),
        random.choice(_TYPES),
        random.choice(keys).replace(b"%s", key.encode()),
        random.choice(_LENGTHS).replace(b"%d", b"%d" % len(body)),
    ]
    random.shuffle(fields)
    more = random.choice(_MORE).replace(b"k 1", b"k %d" % random.getrandbits(60))
    line = b" ".join((random.choice(_METHODS), random.choice(_TARGETS), random.choice(_VERSIONS)))
    return line + b"\r\n" + b"\r\n".join(fields) + b"\r\n" + more + b"\r\n" + body


def usual_request(path: str, key: str, body: bytes = _EVENT) -> bytes:
    """Return a request that the lane takes."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def comparable(answers: bytes) -> bytes:
    """Return answers without what differs from one to the next: dates and ids, and what follows a refusal.

    Whether a refusal ends the connection depends on how much of the body had come, on both ways.
    """
    end = 0
    while (start := answers.find(b"HTTP/1.1 ", end)) >= 0:
        end = _end_of(answers, start)
        if answers[start + 9 : start + 10] != b"2":
            answers = answers[:start] + answers[start:end].replace(b"connection: close\r\n", b"")
            break
    return _DATES_AND_IDS.sub(b"*", answers)


def _end_of(answers: bytes, start: int) -> int:
    head_end = answers.find(b"\r\n\r\n", start) + 4
    length = _LENGTH.search(answers, start, head_end)
    return head_end + int(length[1]) if length else len(answers)


def torn(request: bytes, at: Sequence[int]) -> list[bytes]:
    """Return a request in pieces."""
    ends = [0, *sorted(at), len(request)]
    return [request[start:end] for start, end in pairwise(ends) if start < end]
