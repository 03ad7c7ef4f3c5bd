"""A table of answers as receivers give them, and what the daemon makes of each (contract "An attempt").

Each answer is followed by the end of the connection.
"""

from dataclasses import dataclass
from enum import Enum

OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"2\r\nok\r\n0\r\n\r\n"


class Verdict(Enum):
    """What is made of an answer."""

    KEPT = "it is taken, and the connection may be used again"
    TAKEN = "it is taken, and the connection is closed"
    REFUSED = "it is a failure"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `though` says why it is refused, where curl and urllib both take it."""

    name: str
    data: bytes
    verdict: Verdict
    body: bytes = b"ok"
    status: int = 200
    though: str = ""


def _kept(name: str, data: bytes, body: bytes = b"ok", status: int = 200) -> Answer:
    return Answer(name, data, Verdict.KEPT, body, status)


def _taken(name: str, data: bytes, body: bytes = b"ok", status: int = 200) -> Answer:
    return Answer(name, data, Verdict.TAKEN, body, status)


def _refused(name: str, data: bytes, though: str = "") -> Answer:
    return Answer(name, data, Verdict.REFUSED, though=though)


def _status_line(line: bytes) -> bytes:
    return line + b"\r\n" + TWO


_CONTRADICTION = "RFC 9112, 6.3: lengths that contradict each other must be an error"
_CUT = "the contract: a connection closed early is a failure"

STATUS_LINES = (
    _kept("no reason phrase", _status_line(b"HTTP/1.1 200")),
    _kept("an empty reason phrase", _status_line(b"HTTP/1.1 200 ")),
    _kept("a reason phrase in Latin-1", _status_line(b"HTTP/1.1 200 sch\xf6n")),
    _taken("two spaces before the status", _status_line(b"HTTP/1.1  200 OK")),
    _taken("a tab before the status", _status_line(b"HTTP/1.1\t200 OK")),
    _taken("a tab behind the status", _status_line(b"HTTP/1.1 200\tOK")),
    _taken("a control character in the reason phrase", _status_line(b"HTTP/1.1 200 O\x01K")),
    _taken("a reason phrase of 70 KiB", _status_line(b"HTTP/1.1 200 " + b"y" * 70_000)),
    _taken("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nok"),
    _kept("HTTP/1.0 that keeps alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + TWO),
    _refused("HTTP/0.9", b"<html>hi</html>"),
    _refused("HTTP/0.9 by name", _status_line(b"HTTP/0.9 200 OK")),
    _refused("HTTP/1.2", _status_line(b"HTTP/1.2 200 OK")),
    _refused("HTTP/3", _status_line(b"HTTP/3 200 OK")),
    _refused("no version", _status_line(b"HTTP 200 OK")),
    _refused("ICY", _status_line(b"ICY 200 OK")),
    _refused("no status", _status_line(b"HTTP/1.1")),
    _refused("a status of two digits", _status_line(b"HTTP/1.1 20 OK")),
    _refused("a status of four digits", _status_line(b"HTTP/1.1 2000 OK")),
    _refused("a status below 100", _status_line(b"HTTP/1.1 099 OK")),
    _refused("a status in letters", _status_line(b"HTTP/1.1 2xx OK")),
    _refused("a byte order mark", b"\xef\xbb\xbf" + OK + TWO),
    _refused("nothing", b""),
)

FIELDS = (
    _kept("Latin-1 in a value", OK + b"X: gr\xfc\xdf\r\n" + TWO),
    _kept("UTF-8 in a value", OK + "X: grüße\r\n".encode() + TWO),
    _kept("an empty value", OK + b"X:\r\n" + TWO),
    _kept("100 fields", OK + b"A: b\r\n" * 99 + TWO),
    _taken("a folded field", OK + b"X: a\r\n b\r\n" + TWO),
    _taken("a field folded with a tab", OK + b"X: a\r\n\tb\r\n" + TWO),
    _taken("a field folded three times", OK + b"X: a\r\n b\r\n c\r\n  d\r\n" + TWO),
    _taken("a field folded into nothing", OK + b"X: a\r\n \r\n" + TWO),
    _taken("a folded length", OK + b"Content-Length:\r\n 2\r\n\r\nok"),
    _taken("line feeds only", (OK + b"X: y\r\n" + TWO).replace(b"\r\n", b"\n")),
    _taken("a line feed behind the status line", (OK + TWO).replace(b"\r\n", b"\n", 1)),
    _taken("a line feed before the body", OK + b"Content-Length: 2\r\n\nok"),
    _taken("a carriage return too many", OK + b"X: a\r\r\n" + TWO),
    _taken("a carriage return too many everywhere", (OK + TWO).replace(b"\r\n", b"\r\r\n")),
    _taken("a space before the colon", OK + b"X : a\r\n" + TWO),
    _taken("a space before the length's colon", OK + b"Content-Length : 2\r\n\r\nok"),
    _taken("a tab before the colon", OK + b"X\t: a\r\n" + TWO),
    _taken("a control character in a value", OK + b"X: a\x01b\r\n" + TWO),
    _taken("an escape sequence in a value", OK + b"X: \x1b[2J\r\n" + TWO),
    _taken("a vertical tab in a value", OK + b"X:\x0ba\r\n" + TWO),
    _taken("a DEL in a value", OK + b"X: a\x7fb\r\n" + TWO),
    _taken("a bare carriage return in a value", OK + b"X: a\rb\r\n" + TWO),
    _taken("no name", OK + b": x\r\n" + TWO),
    _taken("a name beyond ASCII", OK + "Grüße: x\r\n".encode() + TWO),
    _taken("a space in a name", OK + b"X Y: x\r\n" + TWO),
    _taken("brackets in a name", OK + b"X(1): x\r\n" + TWO),
    _taken("JSON for a field", OK + b'{"a": "b"}\r\n' + TWO),
    _taken("1,000 fields", OK + b"A: b\r\n" * 1_000 + TWO),
    _taken("a field of 70 KiB", OK + b"A: " + b"b" * 70_000 + b"\r\n" + TWO),
    _taken("a head of 70 KiB", OK + (b"A: " + b"b" * 1_000 + b"\r\n") * 70 + TWO),
    _taken("a head of 280 KiB", OK + (b"A: " + b"b" * 10_000 + b"\r\n") * 28 + TWO),
    _refused("a NUL in a value", OK + b"X: a\0b\r\n" + TWO),
    _refused("a NUL in a name", OK + b"X\0: a\r\n" + TWO),
    _refused("a line without a colon", OK + b"nonsense\r\n" + TWO),
    _refused("a second status line", OK + OK + TWO),
    _refused("HTML for a field", OK + b"<html>\r\n" + TWO),
    _refused("a folded status line", b"HTTP/1.1 200\r\n OK\r\n" + TWO),
    _refused("a folded field first", OK + b" X: a\r\n" + TWO),
    _refused("carriage returns only", (OK + TWO).replace(b"\r\n", b"\r")),
    _refused("half a status line", b"HTTP/1.1 200 O"),
    _refused("a status line only", OK, though=_CUT),
    _refused("half a field", OK + b"X: y", though=_CUT),
    _refused("fields without an end", OK + b"X: y\r\n", though=_CUT),
)

LENGTHS = (
    _kept("a length", OK + TWO),
    _kept("a padded length", OK + b"Content-Length: \t 2 \t\r\n\r\nok"),
    _taken("no length", OK + b"\r\nok"),
    _taken("bytes behind the length", OK + TWO + b"more"),
    _taken("the same length twice", OK + b"Content-Length: 2\r\n" + TWO),
    _taken("the same length in a list", OK + b"Content-Length: 2, 2\r\n\r\nok"),
    _taken("a signed length", OK + b"Content-Length: +2\r\n\r\nok"),
    _taken("a hexadecimal length", OK + b"Content-Length: 0x2\r\n\r\nok", b""),
    _taken("a length with letters behind it", OK + b"Content-Length: 2abc\r\n\r\nok"),
    _taken("a length with a fraction", OK + b"Content-Length: 2.0\r\n\r\nok"),
    _taken("a length with a comment", OK + b"Content-Length: 2 (bytes)\r\n\r\nok"),
    _refused("two lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", though=_CONTRADICTION),
    _refused("a list of two lengths", OK + b"Content-Length: 2, 3\r\n\r\nok", though=_CONTRADICTION),
    _refused("a negative length", OK + b"Content-Length: -1\r\n\r\nok"),
    _refused("a length in letters", OK + b"Content-Length: two\r\n\r\nok"),
    _refused("an empty length", OK + b"Content-Length:\r\n\r\nok"),
    _refused("a length in quotes", OK + b'Content-Length: "2"\r\n\r\nok'),
    _refused("a length beyond 64 bits", OK + b"Content-Length: %b\r\n\r\nok" % (b"9" * 30)),
    _refused("half a body", OK + b"Content-Length: 3\r\n\r\nok"),
)

CODINGS = (
    _kept("chunks", CHUNKED + CHUNKS),
    _kept("CHUNKS", OK + b"Transfer-Encoding: CHUNKED\r\n\r\n" + CHUNKS),
    _kept("a chunk extension", CHUNKED + b"2;a=b\r\nok\r\n0\r\n\r\n"),
    _kept("a trailer", CHUNKED + b"2\r\nok\r\n0\r\nX: y\r\n\r\n"),
    _taken("a trailer that is no field", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nok\r\n\r\n"),
    _taken("an empty transfer coding", OK + b"Transfer-Encoding: chunked,\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    _taken("chunks, then a length", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + CHUNKS),
    _taken("a length, then chunks", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    _taken("chunks, and a length that makes no sense",
           OK + b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    _taken("chunks twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    _taken("chunks twice in a list", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS),
    _taken("a space before the coding's colon", OK + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS),
    _taken("chunks in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    _taken("the identity and a length", OK + b"Transfer-Encoding: identity\r\n" + TWO),
    _taken("the identity, then chunks", OK + b"Transfer-Encoding: identity, chunked\r\n\r\n" + CHUNKS),
    _taken("no coding and a length", OK + b"Transfer-Encoding:\r\n" + TWO),
    _taken("line feeds in the head before chunks", CHUNKED.replace(b"\r\n", b"\n") + CHUNKS),
    _taken("a line feed behind a chunk's size", CHUNKED + b"2\nok\r\n0\n\r\n"),
    _taken("chunks with line feeds only", (CHUNKED + CHUNKS).replace(b"\r\n", b"\n")),
    _taken("a line feed behind a chunk", CHUNKED + b"2\r\nok\n0\r\n\r\n"),
    _taken("a space behind a chunk's size", CHUNKED + b"2 \r\nok\r\n0\r\n\r\n"),
    _taken("a tab behind a chunk's size", CHUNKED + b"2\t\r\nok\r\n0\r\n\r\n"),
    _taken("a carriage return in an extension", CHUNKED + b"2;a\rb\r\nok\r\n0\r\n\r\n"),
    _refused("a chunk size in letters", CHUNKED + b"xyz\r\nok\r\n0\r\n\r\n"),
    _refused("a negative chunk size", CHUNKED + b"-2\r\nok\r\n0\r\n\r\n"),
    _refused("a chunk size beyond 64 bits", CHUNKED + b"f" * 17 + b"\r\nok"),
    _refused("a chunk longer than its size", CHUNKED + b"2\r\nok!\r\n0\r\n\r\n"),
    _refused("an empty line between chunks", CHUNKED + b"2\r\nok\r\n\r\n0\r\n\r\n"),
    _refused("no last chunk", CHUNKED + b"2\r\nok\r\n"),
    _refused("no end behind the last chunk", CHUNKED + b"2\r\nok\r\n0\r\n"),
    _refused("a body that is not in chunks", OK + b"Transfer-Encoding: chunked\r\n" + TWO),
)  # fmt: skip

STATUSES = (
    _kept("a promise before it", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + TWO),
    _kept("30 promises before it", b"HTTP/1.1 100 Continue\r\n\r\n" * 30 + OK + TWO),
    _kept("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + TWO),
    _taken("a promise with line feeds", b"HTTP/1.1 100 Continue\n\n" + OK + TWO),
    _taken("a promise with a length", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + OK + TWO),
    _kept("no content", b"HTTP/1.1 204 No Content\r\n\r\n", b"", 204),
    _taken("no content, and some", b"HTTP/1.1 204 No Content\r\n" + TWO, b"", 204),
    _taken("no content of two lengths", b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n" + TWO, b"", 204),
    _refused("a promise only", b"HTTP/1.1 100 Continue\r\n\r\n"),
)

ANSWERS = (*STATUS_LINES, *FIELDS, *LENGTHS, *CODINGS, *STATUSES)
