"""Requests that no honest client sends, byte by byte, each with the statuses that are right for it (RFC 9112)."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from tests.support.daemon import OPERATOR_KEY

HOST = b"host: x\r\n"
KEY = b"authorization: Bearer " + OPERATOR_KEY.encode() + b"\r\n"
JSON = b"content-type: application/json\r\n"
BODY = b'{"name":"n"}'
VERIFY = b"GET /v1/verify HTTP/1.1\r\n" + HOST + KEY
POST = b"POST /v1/teams HTTP/1.1\r\n" + HOST + KEY + JSON
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Hostile:
    """What is sent on one connection, and the statuses of all the answers to it, in order."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]


def framing() -> Iterator[Hostile]:
    """Where does the body end? Whatever two servers could answer in two ways is refused (request smuggling)."""
    for value in (b"-1", b"+12", b"twelve", b"0x0c", b"1 2", b"12.0", b"9" * 24, b"9" * 5000, b"12, 5", b""):
        yield Hostile(
            f"length {value[:10]!r} ({len(value)})", POST + b"content-length: " + value + b"\r\n\r\n" + BODY, (400,)
        )
    two = b"content-length: 12\r\ncontent-length: 5\r\n\r\n"
    yield Hostile("two lengths", POST + two + BODY, (400,))
    yield Hostile("length beyond the limit", POST + b"content-length: 99999999999999999999\r\n\r\n" + BODY, (413,))
    both = b"content-length: 12\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    yield Hostile("length, then chunked", POST + both + VERIFY + b"\r\n", (400,))
    both = b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nc\r\n"
    yield Hostile("chunked, then length", POST + both + BODY + b"\r\n0\r\n\r\n" + VERIFY + b"\r\n", (400,))
    for value in (b"xchunked", b"gzip, chunked", b"chunked, chunked", b"\x0bchunked", b"identity", b'"chunked"'):
        sent = POST + b"transfer-encoding: " + value + b"\r\n\r\n0\r\n\r\n" + VERIFY + b"\r\n"
        yield Hostile(f"encoding {value!r}", sent, (400,))
    twice = b"transfer-encoding: chunked\r\ntransfer-encoding: "
    yield Hostile("two encodings", POST + twice + b"identity\r\n\r\n0\r\n\r\n" + VERIFY + b"\r\n", (400,))
    yield Hostile("the same encoding twice", POST + twice + b"chunked\r\n\r\n0\r\n\r\n" + VERIFY + b"\r\n", (400,))
    yield Hostile("space before a colon", POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n", (400,))
    yield Hostile("chunked in HTTP/1.0", CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n", (400,))
    hidden = POST + b"content-length: 12\r\n\r\n" + BODY + b"GET /v1/verify HTTP/1.1\r\n" + HOST + b"\r\n"
    yield Hostile("a second request without a key behind a body", hidden, (201, 401))
    yield Hostile("a body on GET", VERIFY + b"content-length: 12\r\n\r\n" + BODY, (200,))


def chunks() -> Iterator[Hostile]:
    """Chunks as no encoder writes them."""
    sizes = (b"zz", b"-1", b"0xc", b"f" * 24, b"", b" c", b"c c")
    for size in sizes:
        yield Hostile(f"chunk size {size[:10]!r}", CHUNKED + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n", (400,))
    yield Hostile("a chunk longer than its size", CHUNKED + b"c\r\n" + BODY + b"XX0\r\n\r\n", (400,))
    yield Hostile("endless chunk extension", CHUNKED + b"c;" + b"a" * 100_000, (431,))
    yield Hostile("endless trailers", CHUNKED + b"c\r\n" + BODY + b"\r\n0\r\n" + b"a: b\r\n" * 20_000, (431,))
    yield Hostile("70,000 chunks of one byte", CHUNKED + b"1\r\n \r\n" * 70_000 + b"0\r\n\r\n", (400,))


def heads() -> Iterator[Hostile]:
    """Heads that are endless, torn or not text."""
    yield Hostile("endless header", b"GET / HTTP/1.1\r\na: " + b"x" * 300_000, (431,))
    yield Hostile("10,000 headers", VERIFY + b"a: b\r\n" * 10_000 + b"\r\n", (431,))
    yield Hostile("endless path", b"GET /" + b"a" * 300_000, (431,))
    yield Hostile("path of 20 KB", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (431,))
    yield Hostile(
        "5,000 parameters", b"GET /v1/webhooks?" + b"a=1&" * 5_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (431,)
    )
    for value in (b"a: \0", b"a\0: b", b": b", b"no colon", b"a b: c", b"a\x7f: b", b"\xff: b"):
        yield Hostile(f"header {value!r}", VERIFY + value + b"\r\n\r\n", (400,))
    yield Hostile("bytes above ASCII in a header", VERIFY + b"a: \xff\xfe\r\n\r\n", (200,))
    yield Hostile("folded first header", b"GET / HTTP/1.1\r\n a: b\r\n" + HOST + b"\r\n", (400,))
    yield Hostile("bare line feeds", (VERIFY + b"\r\n").replace(b"\r\n", b"\n"), (400,))
    yield Hostile("a folded header", VERIFY + b"a: b\r\n c\r\n\r\n", (400,))
    yield Hostile("bare carriage returns", (VERIFY + b"\r\n").replace(b"\r\n", b"\r"), (400,))
    yield Hostile("NUL bytes", bytes(500) + b"\r\n\r\n", (400,))
    yield Hostile("no host", b"GET /v1/verify HTTP/1.1\r\n" + KEY + b"\r\n", (400,))
    yield Hostile("two hosts", VERIFY + HOST + b"\r\n", (400,))
    for value in (b"a b", b"a/b", b"u@a", b"a:b", b"[::1", b"\xff", b"http://a"):
        yield Hostile(f"host {value!r}", VERIFY.replace(HOST, b"host: " + value + b"\r\n") + b"\r\n", (400,))
    yield Hostile("two keys", VERIFY + b"authorization: Bearer x\r\n\r\n", (401,))
    yield Hostile("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), (400,))


def protocols() -> Iterator[Hostile]:
    """Other versions and other protocols."""
    for version in (b"HTTP/2.0", b"HTTP/9.9", b"HTTP/0.9", b"HTTP/1", b"http/1.1", b"HTTP/1.1x", b"ICAP/1.0"):
        yield Hostile(f"version {version!r}", VERIFY.replace(b"HTTP/1.1", version) + b"\r\n", (400,))
    yield Hostile("HTTP/0.9", b"GET /v1/verify\r\n\r\n", (400,))
    yield Hostile("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100), (400,))
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n"
    yield Hostile("h2c upgrade", b"DELETE /v1/keys/x HTTP/1.1\r\n" + HOST + upgrade, (401,))
    socket = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    upgrade = b"connection: upgrade\r\nupgrade: websocket\r\n" + socket
    yield Hostile("WebSocket upgrade", b"GET /v1/verify HTTP/1.1\r\n" + HOST + upgrade, (401,))
    yield Hostile("WebSocket upgrade and a byte", b"GET /v1/verify HTTP/1.1\r\n" + HOST + upgrade + b"\0", (401, 400))


def targets() -> Iterator[Hostile]:
    """Targets that are not the path of a route, however they are written."""
    malformed = (
        "?a",
        "*",
        "v1/verify",
        "//v1/verify",
        "x:80",
        "[::1",
        "http://",
        "http:///v1",
        "ftp://x/v1/verify",
        "",
    )
    for target in malformed:
        yield Hostile(f"target {target!r}", _get(target), (400,))
    yield Hostile("CONNECT", _get("x:80").replace(b"GET", b"CONNECT"), (400,))
    for target in ("http://x/v1/verify", "HTTP://other.example/v1/verify", "http://[::1/v1/verify"):
        yield Hostile(f"target {target!r}", _get(target), (200,))
    for method in (b"TRACE", b"BREW", b"get", b"A" * 5_000):
        status = 200 if method == b"get" else 405
        yield Hostile(f"method {method[:10]!r}", _get("/v1/verify").replace(b"GET", method), (status,))
    for method in (b"G@T", b"GET\0", b""):
        yield Hostile(f"method {method!r}", _get("/v1/verify").replace(b"GET", method), (400,))
    for path in ("/v1/verify\0", "/v1/\xff", "/v1/ver ify"):
        yield Hostile(f"path {path!r}", _get(path), (400,))
    for path in (
        "%00", "%ff", "%", "%zz", "%c0%ae%c0%ae", "%ed%a0%80", "%f4%90%80%80", "%0d%0aset-cookie:x", "..%2f..%2fetc",
        "../teams", "%2e%2e/teams", "a%2fb", "'%20OR%201=1--", "%E2%80%AE", "%F0%9F%98%80" * 500,
    ):  # fmt: skip
        yield Hostile(f"webhook {path[:30]!r}", _get(f"/v1/webhooks/{path}"), (404,))
    for path in ("/v1/./verify", "/v1//verify", "/v1/verify;a=b", "/v1/verify%20", "/v1/verify#x"):
        yield Hostile(f"path {path!r}", _get(path), (404,))
    yield Hostile("a slash at the end", _get("/v1/verify/"), (308,))
    for query in (
        "cursor=%00", "cursor=%ff", "cursor=LTE", "limit=1&limit=2", "limit=%F0%9D%9F%8F", "=", "%ff=1", "limit",
        "a[]=1", "since=9999-12-31T23:59:59-23:59", "limit=1;cursor=x", "LIMIT=1",
    ):  # fmt: skip
        yield Hostile(f"query {query!r}", _get(f"/v1/deliveries?{query}"), (422,))
    for query in ("teamId=%00", "teamId=%ed%a0%80", "teamId=%c0%ae", "teamId=" + "x" * 9_000):
        yield Hostile(f"query {query[:30]!r}", _get(f"/v1/deliveries?{query}"), (404,))


def _get(target: str) -> bytes:
    return b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\n" + HOST + KEY + b"\r\n"


HOSTILE = MappingProxyType({kind.__name__: tuple(kind()) for kind in (framing, chunks, heads, protocols, targets)})
