"""Serialising a POST request (RFC 9112)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx


@dataclass(frozen=True, slots=True)
class Post:
    """One POST: its URL, its header fields as they are sent after `Host`, and its body."""

    url: str = field(repr=False)
    fields: bytes = field(repr=False)
    body: bytes = field(repr=False)


def make_post(url: str, headers: Iterable[tuple[str, str]], body: bytes, always: bytes = b"") -> Post:
    """Return the POST with Content-Length, then `always`, then these headers, in their order and case.

    `always` are fields that `header_fields` has serialised. Raises httpx.LocalProtocolError when a header contains a
    line break.
    """
    return Post(url, b"Content-Length: %d\r\n%b%b\r\n" % (len(body), always, header_fields(headers)), body)


def header_fields(headers: Iterable[tuple[str, str]]) -> bytes:
    """Serialise headers. Raises httpx.LocalProtocolError when one contains a line break."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    fields = "".join(lines).encode("latin-1")
    if not fields.count(b"\n") == fields.count(b"\r") == len(lines):
        raise httpx.LocalProtocolError("a header of the request contains a line break")
    return fields


def request_start(url: str) -> bytes:
    """Return the request line and the `Host` field for a URL that has passed `permitted_target`."""
    parsed = httpx.URL(url)
    return b"POST %b HTTP/1.1\r\nHost: %b\r\n" % (parsed.raw_path, parsed.netloc)


def parsed_fields(fields: bytes) -> tuple[tuple[str, str], ...]:
    """Return header fields that were serialised here."""
    lines = fields.decode("latin-1").split("\r\n")
    return tuple((name, value) for name, _, value in (line.partition(": ") for line in lines if line))
