"""A grammar of HTTP/1.1 requests on the wire (RFC 9110, RFC 9112), and of what breaks it, for a fuzzer.

A seed decides everything, so that a connection that shows a fault can be sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

KEYS = (b"", b"nobody", b"Bearer", b"Bearer \xff", b"Basic eDp5", b"bearer  " + b"k" * 600)
_METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"M-SEARCH", b"!")
_PATHS = (
    b"/healthz", b"/readyz", b"/metrics", b"/openapi.json", b"/v1/verify", b"/v1/events", b"/v1/events/batch",
    b"/v1/webhooks", b"/v1/webhooks/test", b"/v1/webhooks/%00", b"/v1/deliveries?limit=x&cursor=%ff", b"/v1/teams?a=%",
    b"/console", b"/console/", b"/console/sign-in", b"/console/sign-in?next=%0d%0a", b"/console/teams/%2e%2e/webhooks",
    b"/console/assets/x/y", b"/%ff%fe", b"/%", b"/a//b", b"/..", b"/?", b"/;#", b"/{}<>\"\\^`|", b"*",
    b"http://x/v1/verify", b"HTTP://[::1/healthz",
)  # fmt: skip
_ORIGINS = (
    b"null",
    b"http://[",
    b"http://[::1",
    b"http://a b",
    b"//",
    b"http://x:99999",
    b"\xff",
    b"http://[v1.x]",
    b"",
)
_VALUES = (
    b"",
    b"x",
    b"a, b;q=0.5",
    b'"quoted \\" string"',
    b"\xe4\xf6\xfc",
    b"caf\xc3\xa9",
    b"a\tb",
    b"x" * 300,
    b"%00",
)
_NAMED = (
    b"accept", b"cookie", b"origin", b"referer", b"idempotency-key", b"traceparent", b"x-forwarded-for", b"forwarded",
    b"sec-fetch-site", b"content-encoding", b"connection", b"upgrade", b"te", b"via", b"range", b"date",
)  # fmt: skip
_TOKEN = b"!#$%&'*+-.^_`|~09azAZ"
_MEDIA_TYPES = (
    b"application/json", b"application/x-ndjson", b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x", b"text/plain", b"application/json; charset=\xff", b";;;", b"",
)  # fmt: skip
_BODIES = (
    b"", b"{}", b"[]", b'{"event":"linkedin.message.sent","data":{}}', b"[" * 99, b'{"a":1e999}', b'"\\ud800"',
    b"\xff\xfe", b"key=x&next=%2f", b"key=%ff", b"\0" * 50, b"x" * 9000,
)  # fmt: skip


class Verdict(StrEnum):
    """What RFC 9112 makes of a request."""

    GOOD = "good"
    BAD_HEAD = "bad head"
    BAD_BODY = "bad body"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: its bytes, its method, and what it is."""

    raw: bytes
    method: bytes
    verdict: Verdict = Verdict.GOOD
    closes: bool = False


def any_request(random: Random, key: bytes) -> Sent:
    """Return a request: good as often as bad."""
    breaker = random.choice(_BREAKERS) if random.random() < 0.5 else None
    return _Maker(random, key).make(breaker)


def torn(random: Random, data: bytes) -> list[bytes]:
    """Return the data in pieces, cut where chance has it."""
    cuts = sorted(random.sample(range(1, len(data)), min(random.choice((0, 0, 1, 2, 5)), len(data) - 1)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@dataclass(slots=True)
class _Head:
    """The parts of a request, before they are written out."""

    method: bytes
    target: bytes
    version: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    chunks: list[bytes] | None = None
    trailers: bytes = b""

    def write(self) -> bytes:
        head = b" ".join((self.method, self.target, self.version)) + b"\r\n"
        head += b"".join(name + b":" + value + b"\r\n" for name, value in self.fields) + b"\r\n"
        if self.chunks is None:
            return head + self.body
        return head + b"".join(self.chunks) + b"0\r\n" + self.trailers + b"\r\n"


@dataclass(slots=True)
class _Maker:
    random: Random
    key: bytes

    def make(self, breaker: "_Breaker | None") -> Sent:
        parts = self._good(needs_chunks=breaker is not None and breaker.of_chunks)
        if breaker is None:
            return Sent(parts.write(), parts.method, closes=_closes(parts))
        verdict = Verdict.BAD_BODY if breaker.of_chunks else Verdict.BAD_HEAD
        return Sent(breaker.apply(self.random, parts), parts.method, verdict)

    def _good(self, *, needs_chunks: bool) -> _Head:
        random = self.random
        method, target = random.choice(_METHODS), random.choice(_PATHS)
        method = b"OPTIONS" if target == b"*" else method
        version = b"HTTP/1.1" if needs_chunks or random.random() < 0.9 else b"HTTP/1.0"
        parts = _Head(method, target, version, [(b"host", random.choice((b"x", b" 127.0.0.1", b"", b"[::1]:80")))])
        for _ in range(random.randrange(6)):
            parts.fields.insert(random.randrange(len(parts.fields) + 1), self._field())
        if random.random() < 0.7:
            parts.fields.append((b"Authorization", b" Bearer " + self.key))
        self._add_body(parts, needs_chunks=needs_chunks)
        return parts

    def _field(self) -> tuple[bytes, bytes]:
        random = self.random
        name = random.choice(_NAMED) if random.random() < 0.7 else bytes(random.choices(_TOKEN, k=random.randint(1, 9)))
        value = random.choice(_ORIGINS if name == b"origin" else KEYS if name == b"cookie" else _VALUES)
        return name, random.choice((b"", b" ", b"\t ")) + value + random.choice((b"", b" "))

    def _add_body(self, parts: _Head, *, needs_chunks: bool) -> None:
        random, body = self.random, self.random.choice(_BODIES)
        shape = "chunks" if needs_chunks else random.choice(("none", "length", "chunks"))
        if shape == "none":
            return
        parts.fields.append((b"content-type", random.choice(_MEDIA_TYPES)))
        if random.random() < 0.2:
            parts.fields.append((b"expect", b"100-continue"))
        if shape == "length" or parts.version == b"HTTP/1.0":
            parts.body = body
            parts.fields.append((b"Content-Length", b"%d" % len(body)))
            return
        parts.fields.append((b"transfer-encoding", random.choice((b"chunked", b" Chunked\t"))))
        parts.chunks = [_chunk(random, piece) for piece in (torn(random, body) if len(body) > 1 else [b"xyz"])]
        parts.trailers = random.choice((b"", b"", b"a: b\r\n", b"x-check: \xff\r\nb:\r\n"))


def _chunk(random: Random, piece: bytes) -> bytes:
    size = random.choice((b"%x", b"%X", b"000%x")) % len(piece)
    extension = random.choice((b"", b"", b";a", b";a=b", b';a="b;c"', b" "))
    return size + extension + b"\r\n" + piece + b"\r\n"


def _closes(parts: _Head) -> bool:
    return parts.version == b"HTTP/1.0"


@dataclass(frozen=True, slots=True)
class _Breaker:
    """One way to break a request."""

    apply: Callable[[Random, _Head], bytes]
    of_chunks: bool = False


def _with_field(*raw_lines: bytes) -> _Breaker:
    def apply(random: Random, parts: _Head) -> bytes:
        start, _, rest = parts.write().partition(b"\r\n")
        return start + b"\r\n" + random.choice(raw_lines) + b"\r\n" + rest

    return _Breaker(apply)


def _with_end_of_line(*ends: bytes) -> _Breaker:
    """Have one line of the head end in another way."""

    def apply(random: Random, parts: _Head) -> bytes:
        head, _, body = parts.write().partition(b"\r\n\r\n")
        lines = [*head.split(b"\r\n"), b""]
        end = random.choice(ends)
        broken = random.randrange(len(lines) - end.startswith(b"\r\n"))  # behind the last one the body begins
        ended = (line + (end if at == broken else b"\r\n") for at, line in enumerate(lines))
        return b"".join(ended) + body + b"\r\n\r\n"  # else the head would not have ended yet

    return _Breaker(apply)


def _with_start(change: Callable[[Random, _Head], bytes]) -> _Breaker:
    def apply(random: Random, parts: _Head) -> bytes:
        _, _, rest = parts.write().partition(b"\r\n")
        return change(random, parts) + b"\r\n" + rest

    return _Breaker(apply)


def _without_host(random: Random, parts: _Head) -> bytes:
    parts.version = b"HTTP/1.1"
    hosts = [field for field in parts.fields if field[0] == b"host"]
    others = [field for field in parts.fields if field[0] != b"host"]
    parts.fields = random.choice(([*others], [*hosts, *others, *hosts]))
    return parts.write()


def _with_host(*hosts: bytes) -> _Breaker:
    def apply(random: Random, parts: _Head) -> bytes:
        parts.fields = [(b"host", random.choice(hosts)) if name == b"host" else (name, it) for name, it in parts.fields]
        return parts.write()

    return _Breaker(apply)


def _with_framing(*pairs: tuple[tuple[bytes, bytes], ...]) -> _Breaker:
    def apply(random: Random, parts: _Head) -> bytes:
        framing = (b"content-length", b"transfer-encoding")
        parts.fields = [field for field in parts.fields if field[0].lower() not in framing]
        parts.fields += random.choice(pairs)
        parts.chunks, parts.body = None, b"5\r\nhello\r\n0\r\n\r\n"
        return parts.write()

    return _Breaker(apply)


def _with_chunk(*chunks: bytes) -> _Breaker:
    def apply(random: Random, parts: _Head) -> bytes:
        assert parts.chunks is not None
        parts.chunks.insert(random.randrange(len(parts.chunks) + 1), random.choice(chunks))
        return parts.write()

    return _Breaker(apply, of_chunks=True)


def _with_trailer(*trailers: bytes) -> _Breaker:
    def apply(random: Random, parts: _Head) -> bytes:
        parts.trailers = random.choice(trailers)
        return parts.write()

    return _Breaker(apply, of_chunks=True)


_LENGTHS = (b"-1", b"+5", b"0x5", b"5 5", b"5, 6", b"five", b"", b"9" * 25, b"5;", b"5.0")
_CODINGS = (b"gzip", b"chunked, chunked", b"gzip, chunked", b"xchunked", b"identity", b"\x0bchunked", b"")
_BREAKERS: tuple[_Breaker, ...] = (
    _with_end_of_line(b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x0b\r\n", b"\0\r\n"),
    _with_end_of_line(b"\r\n ", b"\r\n\t", b"\r\n \r\n"),
    _with_field(b"a: b\r\n folded", b"a: b\r\n\tfolded", b" first", b"\tfirst: b"),
    _with_field(b"a: \0", b"a: b\0c", b"a: b\x01c", b"a: \x7f", b"a: \x1b[2J", b"a: b\rc", b"a: b\nc: d", b"a: \x0c"),
    _with_field(b"a : b", b": b", b"no colon", b"a b: c", b"a\0: b", b"(a): b", b"a\x7f: b", b"\xe4: b", b"a\t: b"),
    _with_field(b"a: " + b"x" * 17_000, b"a: b\r\n" * 4_000),
    _with_start(lambda random, parts: b"  ".join((parts.method, parts.target, parts.version))),
    _with_start(lambda random, parts: b"\t".join((parts.method, parts.target, parts.version))),
    _with_start(lambda random, parts: parts.method + b" " + parts.target),
    _with_start(lambda random, parts: b" ".join((parts.method, b"/\0\xff"[: random.choice((2, 3))], parts.version))),
    _with_start(
        lambda random, parts: b" ".join(
            (b"GET", random.choice((b"?a", b"a", b"//x", b"ftp://x/", b"http://", b"*", b"/a b", b"[")), parts.version)
        )
    ),
    _with_start(
        lambda random, parts: b" ".join(
            (parts.method, parts.target, random.choice((b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1")))
        )
    ),
    _with_start(lambda random, parts: b" ".join((random.choice((b"G(T", b"G\0T", b"\xe4", b"")), b"/", parts.version))),
    _Breaker(_without_host),
    _with_host(b"[", b"\xff", b"a b", b"a/b", b"u@a", b"a:b", b"[::1]x", b"a,b:80:80", b"http://a"),
    _with_framing(*(((b"content-length", value),) for value in _LENGTHS)),
    _with_framing(*(((b"transfer-encoding", value),) for value in _CODINGS)),
    _with_framing(
        ((b"content-length", b"15"), (b"transfer-encoding", b"chunked")),
        ((b"transfer-encoding", b"chunked"), (b"content-length", b"15")),
        ((b"content-length", b"5"), (b"content-length", b"15")),
        ((b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")),
        ((b"transfer-encoding", b"chunked"), (b"Transfer-Encoding", b"identity")),
    ),
    _with_chunk(b"3\r\nabcXX", b"3\r\nabc\n", b"3\r\nabcd\r\n", b"zz\r\nabc\r\n", b"-1\r\nabc\r\n", b"0x3\r\nabc\r\n"),
    _with_chunk(b"f" * 21 + b"\r\nabc\r\n", b" 3\r\nabc\r\n", b"3 3\r\nabc\r\n", b"\r\n", b"3\nabc\r\n", b"3\rabc\r\n"),
    _with_chunk(b"3;a\nb\r\nabc\r\n", b"3;a\rb\r\nabc\r\n", b"3;\0\r\nabc\r\n", b"3;" + b"a" * 20_000),
    _with_trailer(b"a: b\n", b"a: b\r\n folded\r\n", b"no colon\r\n", b"a : b\r\n", b"a: \0\r\n", b"a: b\rc\r\n"),
)  # fmt: skip
