"""The table of receivers from hell: what each does, and what the daemon must make of it (contract "An attempt").

The outcomes are those of the contract, RFC 9110 and RFC 9112. Where an RFC leaves the recipient to repair or refuse,
the daemon takes what every other client takes, and closes the connection: what one reads leniently and another strictly
is how answers are smuggled. What nobody can read for certain stays a failure.
"""

import gzip
from collections.abc import Iterator

from daemon.domain.model import OutcomeKind
from tests.faults import hell_conducts as do
from tests.faults.hell_server import HEALTHY, Fiend

DELIVERED = OutcomeKind.DELIVERED
HTTP_ERROR = OutcomeKind.HTTP_ERROR
PROTOCOL_ERROR = OutcomeKind.PROTOCOL_ERROR
TIMEOUT = OutcomeKind.TIMEOUT

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
TWO = b"Content-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 500 No\r\n" + TWO
SHORT = OK + b"Content-Length: 3\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LARGE_REQUEST = 8 * 1024 * 1024  # more than the sockets' buffers hold
BOMB = gzip.compress(bytes(32 * 1024 * 1024))
LENGTHY = OK + b"Content-Type: text/plain\r\n" + TWO
CHUNKY = CHUNKED + b"2\r\nok\r\n3;x=y\r\nok!\r\n0\r\nX-Trailer: z\r\n\r\n"

SILENT = (
    Fiend("takes the request and says nothing", do.say_nothing, TIMEOUT),
    Fiend("neither reads nor answers", do.stop_reading, TIMEOUT, reads_request=False, request_size=LARGE_REQUEST),
    Fiend("stops in the status line", do.sends(b"HTTP/1.1 20"), TIMEOUT),
    Fiend("stops in the head", do.sends(OK + b"Content-Le"), TIMEOUT),
    Fiend("stops before the last line break of the head", do.sends(OK + b"Content-Length: 2\r\n"), TIMEOUT),
    Fiend("stops in the body", do.sends(SHORT), TIMEOUT, 200, b"ok"),
    Fiend("stops in a chunk", do.sends(CHUNKED + b"3\r\nok"), TIMEOUT, 200, b"ok"),
    Fiend("stops before the last chunk", do.sends(CHUNKED + b"2\r\nok\r\n"), TIMEOUT, 200, b"ok"),
    Fiend("stops in the trailer", do.sends(CHUNKED + b"0\r\nX: y\r\n"), TIMEOUT, 200),
    Fiend("stops in a refusal", do.sends(b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nno"), TIMEOUT, 500, b"no"),
    Fiend("gives no length and keeps the connection open", do.sends(OK + b"\r\nok"), TIMEOUT, 200, b"ok"),
    Fiend("says close and does not", do.sends(OK + b"Connection: close\r\n\r\nok"), TIMEOUT, 200, b"ok"),
    Fiend("promises an answer and gives none", do.sends(CONTINUE), TIMEOUT),
    Fiend("announces an exabyte", do.sends(OK + b"Content-Length: 1000000000000000000\r\n\r\nx"), TIMEOUT, 200, b"x"),
    Fiend("announces a chunk of an exabyte", do.sends(CHUNKED + b"fffffffffffffff\r\nx"), TIMEOUT, 200, b"x"),
)

DRIPPING = (
    Fiend("drips its head", do.drips(b"", b"HTTP/1.1 200 OK\r\nX-Filler: " + b"y" * 99), TIMEOUT),
    Fiend("drips header fields for ever", do.drips(OK, b"A: b\r\n"), TIMEOUT),
    Fiend("drips its body", do.drips(OK + b"\r\n", b"x"), TIMEOUT, 200),
    Fiend("drips its chunks", do.drips(CHUNKED, b"1\r\nx\r\n"), TIMEOUT, 200),
    Fiend("drips its chunk extension", do.drips(CHUNKED + b"1;", b"x"), TIMEOUT, 200),
    Fiend("drips its trailer", do.drips(CHUNKED + b"0\r\n", b"X: y\r\n"), TIMEOUT, 200),
    Fiend("promises an answer again and again", do.drips(b"", CONTINUE, 0.05), TIMEOUT),
)

FLOODING = (
    Fiend("sends header fields without end", do.floods(OK, b"A: b\r\n" * 512), PROTOCOL_ERROR),
    Fiend("sends large header fields without end", do.floods(OK, b"A: %b\r\n" % (b"b" * 4096)), PROTOCOL_ERROR),
    Fiend("sends one header field without end", do.floods(OK + b"A: ", b"b" * 4096), PROTOCOL_ERROR),
    Fiend("sends one field name without end", do.floods(OK, b"b" * 4096), PROTOCOL_ERROR),
    Fiend("sends a reason phrase without end", do.floods(b"HTTP/1.1 200 ", b"y" * 4096), PROTOCOL_ERROR),
    Fiend("sends empty lines without end", do.floods(b"", b"\r\n" * 2048), PROTOCOL_ERROR),
    Fiend("sends interim responses without end", do.floods(b"", CONTINUE), PROTOCOL_ERROR),
    Fiend("sends early hints without end", do.floods(b"", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" * 99), PROTOCOL_ERROR),
    Fiend("sends a chunk extension without end", do.floods(CHUNKED + b"1;x=", b"y" * 4096), PROTOCOL_ERROR, 200),
    Fiend("sends a chunk size without end", do.floods(CHUNKED, b"0" * 4096), PROTOCOL_ERROR, 200),
    Fiend("sends trailers without end", do.floods(CHUNKED + b"0\r\n", b"A: b\r\n" * 512), PROTOCOL_ERROR, 200),
    Fiend("sends one trailer without end", do.floods(CHUNKED + b"0\r\nA: ", b"b" * 4096), PROTOCOL_ERROR, 200),
    Fiend("sends zeros without end", do.floods(b"", bytes(4096)), PROTOCOL_ERROR),
    Fiend("sends a body without end", do.floods(OK + b"\r\n", b"x" * 65536), DELIVERED, 200, b"x" * 4096),
    Fiend("sends chunks without end", do.floods(CHUNKED, b"1\r\nx\r\n" * 512), DELIVERED, 200, b"x" * 4096),
    Fiend(
        "sends a chunk of 16 TiB", do.floods(CHUNKED + b"fffffffffff\r\n", b"x" * 65536), DELIVERED, 200, b"x" * 4096
    ),
    Fiend(
        "hangs a kilobyte on each byte",
        do.floods(CHUNKED, b"1;%b\r\nx\r\n" % (b"y" * 1024)),
        DELIVERED,
        200,
        b"x" * 4096,
    ),
    Fiend(
        "sends a gzip bomb",
        do.sends(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB),
        DELIVERED,
        200,
        BOMB[:4096],
    ),
    Fiend("sends a reason phrase of 60 KiB", do.sends(b"HTTP/1.1 200 " + b"y" * 61440 + b"\r\n" + TWO), DELIVERED, 200),
    Fiend("sends 99 fields and a length", do.sends(OK + b"A: b\r\n" * 99 + TWO), DELIVERED, 200, b"ok"),
    Fiend("sends 1,000 fields and a length", do.sends(OK + b"A: b\r\n" * 1_000 + TWO), DELIVERED, 200, b"ok"),
    Fiend("sends a field of 512 KiB", do.sends(OK + b"A: " + b"b" * 524_288 + b"\r\n" + TWO), DELIVERED, 200, b"ok"),
)

LENGTHS = (
    Fiend("gives a length and no chunks", do.sends(OK + b"Transfer-Encoding: chunked\r\n" + TWO), PROTOCOL_ERROR, 200),
    Fiend(
        "gives chunks and a length",
        do.sends(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        DELIVERED,
        200,
        b"ok",
    ),
    Fiend("gives two lengths", do.sends(OK + b"Content-Length: 3\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("gives the same length twice", do.sends(OK + b"Content-Length: 2\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("lists lengths", do.sends(OK + b"Content-Length: 2, 2\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("gives a negative length", do.sends(OK + b"Content-Length: -1\r\n\r\nok"), PROTOCOL_ERROR),
    Fiend("gives a signed length", do.sends(OK + b"Content-Length: +2\r\n\r\nok"), DELIVERED, 200, b"ok"),
    # As curl: the digits that it begins with.
    Fiend("gives a hexadecimal length", do.sends(OK + b"Content-Length: 0x2\r\n\r\nok"), DELIVERED, 200, b""),
    Fiend("gives a length with a comment", do.sends(OK + b"Content-Length: 2 bytes\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("lists two lengths", do.sends(OK + b"Content-Length: 2, 3\r\n\r\nok"), PROTOCOL_ERROR),
    Fiend("gives a length in words", do.sends(OK + b"Content-Length: two\r\n\r\nok"), PROTOCOL_ERROR),
    Fiend("gives an empty length", do.sends(OK + b"Content-Length:\r\n\r\nok"), PROTOCOL_ERROR),
    Fiend("gives a length beyond 64 bits", do.sends(OK + b"Content-Length: %b\r\n\r\n" % (b"9" * 30)), PROTOCOL_ERROR),
    Fiend("pads its length", do.sends(OK + b"Content-Length: \t 0002 \t\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("sends more than it announced", do.sends(OK + TWO + b"more"), DELIVERED, 200, b"ok"),
    Fiend("closes and sends more", do.sends(OK + b"Connection: close\r\n" + TWO + b"more"), DELIVERED, 200, b"ok"),
    Fiend("sends less and closes", do.sends_and_closes(SHORT), PROTOCOL_ERROR, 200, b"ok"),
    Fiend("sends a chunk size that is none", do.sends(CHUNKED + b"xyz\r\nok"), PROTOCOL_ERROR, 200),
    Fiend("sends a chunk size beyond 64 bits", do.sends(CHUNKED + b"f" * 17 + b"\r\nok"), PROTOCOL_ERROR, 200),
    Fiend("sends a negative chunk size", do.sends(CHUNKED + b"-2\r\nok\r\n0\r\n\r\n"), PROTOCOL_ERROR, 200),
    Fiend("sends a chunk longer than it said", do.sends(CHUNKED + b"2\r\nok!\r\n0\r\n\r\n"), PROTOCOL_ERROR, 200),
    Fiend("sends chunks after another coding", do.sends(
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), DELIVERED, 200, b"ok"),
    # RFC 9112, 6.3: when chunked is not the last coding, the body ends with the connection.
    Fiend("codes the transfer by gzip alone", do.sends_and_closes(
        OK + b"Transfer-Encoding: gzip\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("codes the transfer beyond the chunks", do.sends_and_closes(
        OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("codes the transfer by two fields", do.sends_and_closes(
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("has a coding named like chunked", do.sends_and_closes(
        OK + b"Transfer-Encoding: xchunked\r\n\r\nok"), DELIVERED, 200, b"ok"),
)  # fmt: skip

MALFORMED = (
    Fiend("speaks HTTP/0.9", do.sends_and_closes(b"<html>thank you</html>"), PROTOCOL_ERROR),
    Fiend("says HTTP/0.9", do.sends(b"HTTP/0.9 200 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("says HTTP/2.0", do.sends(b"HTTP/2.0 200 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("sends the preface of HTTP/2", do.sends(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), PROTOCOL_ERROR),
    Fiend("sends a settings frame of HTTP/2", do.sends(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"), PROTOCOL_ERROR),
    Fiend("speaks RTSP", do.sends(b"RTSP/1.0 200 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("speaks SSH", do.sends(b"SSH-2.0-OpenSSH_9.2\r\n"), PROTOCOL_ERROR),
    Fiend("speaks SMTP", do.sends(b"220 mail.example.com ESMTP\r\n"), PROTOCOL_ERROR),
    Fiend("answers http with TLS", do.sends(b"\x15\3\3\0\2\2\x46"), PROTOCOL_ERROR),
    Fiend("sends rubbish", do.sends(bytes(range(256))), PROTOCOL_ERROR),
    Fiend("sends the request back", do.echoes(), PROTOCOL_ERROR),
    Fiend("writes http in small letters", do.sends(b"http/1.1 200 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a status of 0", do.sends(b"HTTP/1.1 0 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a status of 000", do.sends(b"HTTP/1.1 000 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a status of 99", do.sends(b"HTTP/1.1 99 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a status of 1000", do.sends(b"HTTP/1.1 1000 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a status of -200", do.sends(b"HTTP/1.1 -200 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a status in words", do.sends(b"HTTP/1.1 OK\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has no status", do.sends(b"HTTP/1.1\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a NUL in a field", do.sends(OK + b"X: a\0b\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a NUL in a field's name", do.sends(OK + b"X\0: a\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("ends its lines with CR", do.sends((OK + TWO).replace(b"\r\n", b"\r")), PROTOCOL_ERROR),
    Fiend("ends its lines with LF", do.sends((OK + TWO).replace(b"\r\n", b"\n")), DELIVERED, 200, b"ok"),
    Fiend("has a CR in a field", do.sends(OK + b"X: a\rb\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("ends its chunks with LF", do.sends(CHUNKED + b"2\nok\n0\n\n"), DELIVERED, 200, b"ok"),
    # RFC 9112, 5.2: senders must not fold, and a user agent must unfold.
    Fiend("folds a field", do.sends(OK + b"X: a\r\n b\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("begins its fields with a folded one", do.sends(OK + b" X: a\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a space before the colon", do.sends(OK + b"Content-Length : 2\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("has a field without a colon", do.sends(OK + b"nonsense\r\n" + TWO), PROTOCOL_ERROR),
    Fiend("has a field without a name", do.sends(OK + b": x\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("has a field name beyond ASCII", do.sends(OK + "Grüße: x\r\n".encode() + TWO), DELIVERED, 200, b"ok"),
    Fiend("has a field in UTF-8", do.sends(OK + "X: grüße 🦄\r\n".encode() + TWO), DELIVERED, 200, b"ok"),
    Fiend("has a field in Latin-1", do.sends(OK + b"X: gr\xfc\xdfe\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("has a reason phrase in Latin-1", do.sends(b"HTTP/1.1 200 sch\xf6n\r\n" + TWO), DELIVERED, 200, b"ok"),
)

STATUSES = (
    *(
        Fiend(
            f"redirects to itself with {status}",
            do.sends(b"HTTP/1.1 %d Go\r\nLocation: /hook\r\n" % status + TWO),
            HTTP_ERROR,
            status,
            b"ok",
        )
        for status in (300, 301, 302, 303, 305, 306, 307, 308)
    ),
    Fiend("has not changed", do.sends(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"), HTTP_ERROR, 304, b""),
    Fiend("has not changed, and a body", do.sends(b"HTTP/1.1 304 Not Modified\r\n" + TWO), HTTP_ERROR, 304, b""),
    # RFC 9110, 15: an unknown status counts as x00 of its class, one out of range as 5xx.
    *(
        Fiend(f"has a status of {status}", do.sends(b"HTTP/1.1 %d What\r\n" % status + TWO), HTTP_ERROR, status)
        for status in (499, 599, 600, 999)
    ),
    Fiend("has a status of 299", do.sends(b"HTTP/1.1 299 \r\n" + TWO), DELIVERED, 299, b"ok"),
    Fiend("has no content", do.sends(b"HTTP/1.1 204 No Content\r\n\r\n"), DELIVERED, 204, b""),
    Fiend("has no content, and a body", do.sends(b"HTTP/1.1 204 No Content\r\n" + TWO), DELIVERED, 204, b""),
    Fiend(
        "has no content, in chunks",
        do.sends(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        DELIVERED,
        204,
        b"",
    ),
    Fiend(
        "switches protocols",
        do.sends(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\2hi"),
        HTTP_ERROR,
        101,
        b"",
    ),
    Fiend("promises an answer and gives it", do.sends(CONTINUE * 10, OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("promises an answer once too often", do.sends(CONTINUE * 1_001, OK + TWO), PROTOCOL_ERROR),
    Fiend("sets a cookie", do.sends(OK + b"Set-Cookie: a=b\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("wants a login", do.sends(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\n" + TWO), HTTP_ERROR, 401),
    Fiend("sends two responses", do.sends(OK + TWO + OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("sends a second response later", do.sends(OK + TWO, OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("sends more, and a refusal to the next", do.sends_and_waits(OK + TWO + b"more", REFUSAL), DELIVERED, 200),
    Fiend("sends a refusal behind its answer", do.sends(OK + TWO + REFUSAL), DELIVERED, 200),
)

CONNECTIONS = (
    Fiend("answers before it has read", do.sends(OK + TWO), DELIVERED, 200, b"ok", reads_request=False),
    Fiend(
        "refuses a large request unread, and closes",
        do.sends_and_closes(b"HTTP/1.1 413 Too Large\r\n" + EMPTY),
        HTTP_ERROR,
        413,
        reads_request=False,
        request_size=LARGE_REQUEST,
    ),
    Fiend(
        "refuses a large request unread, and stays",
        do.sends(b"HTTP/1.1 413 Too Large\r\n" + EMPTY),
        HTTP_ERROR,
        413,
        reads_request=False,
        request_size=LARGE_REQUEST,
    ),
    Fiend("closes at once", do.sends_and_closes(), PROTOCOL_ERROR, reads_request=False),
    Fiend(
        "closes on a large request", do.sends_and_closes(), PROTOCOL_ERROR, reads_request=False,
        request_size=LARGE_REQUEST,
    ),
    Fiend("resets at once", do.sends_and_resets(), PROTOCOL_ERROR, reads_request=False,
          or_else=OutcomeKind.CONNECT_ERROR),
    Fiend("resets after the request", do.sends_and_resets(), PROTOCOL_ERROR),
    Fiend("resets in the status line", do.sends_and_resets(b"HTTP/1.1 2"), PROTOCOL_ERROR),
    Fiend("resets in the head", do.sends_and_resets(OK + b"Content-"), PROTOCOL_ERROR),
    Fiend("ends its side after the request", do.sends_and_shuts_its_side(), PROTOCOL_ERROR),
    Fiend("ends its side in the head", do.sends_and_shuts_its_side(OK), PROTOCOL_ERROR),
    Fiend("ends its side in the body", do.sends_and_shuts_its_side(OK + b"Content-Length: 3\r\n\r\nok"),
          PROTOCOL_ERROR, 200, b"ok"),
    Fiend("ends its side after the response", do.sends_and_shuts_its_side(OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("ends the body by ending its side", do.sends_and_shuts_its_side(OK + b"\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("closes the idle connection", do.sends_and_closes(OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("resets the idle connection", do.sends_and_resets(OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("refuses to be kept idle", do.sends(OK + b"Keep-Alive: timeout=0\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("wants to be kept for ever", do.sends(OK + b"Keep-Alive: timeout=%b\r\n" % (b"9" * 400) + TWO),
          DELIVERED, 200, b"ok"),
    Fiend("speaks HTTP/1.0", do.sends_and_closes(b"HTTP/1.0 200 OK\r\n\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("sends a byte at a time", do.sends(*(bytes([byte]) for byte in CHUNKY)), DELIVERED, 200, b"okok!"),
    Fiend("sends urgent data", do.sends_urgent_data(OK, TWO), DELIVERED, 200, b"ok"),
    Fiend("offers HTTP/2", do.sends(OK + b"Upgrade: h2c\r\nConnection: upgrade\r\n" + TWO), DELIVERED, 200, b"ok"),
    Fiend("is healthy", do.sends(HEALTHY), DELIVERED, 200, b"healthy"),
)  # fmt: skip


def cut_at_every_byte(name: str, whole: bytes) -> Iterator[Fiend]:
    """Yield a fiend for every beginning of a good response: it sends that much, and closes."""
    end_of_head = whole.index(b"\r\n\r\n") + 4
    for length in range(len(whole)):
        status = 200 if length >= end_of_head else None
        title = f"closes after byte {length} of {len(whole)} ({name})"
        yield Fiend(title, do.sends_and_closes(whole[:length]), PROTOCOL_ERROR, status)


PLAIN = (
    *SILENT,
    *DRIPPING,
    *FLOODING,
    *LENGTHS,
    *MALFORMED,
    *STATUSES,
    *CONNECTIONS,
    *cut_at_every_byte("a length", LENGTHY),
    *cut_at_every_byte("chunks", CHUNKY),
)
