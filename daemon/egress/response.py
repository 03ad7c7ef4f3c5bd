"""Parsing a response as it arrives: bounded, never decoded (contract "An attempt"; RFC 9112).

Our own parser, not llhttp: llhttp refuses what other clients accept (a folded field, a length beside chunks), and its
lenient mode accepts NUL bytes and does not report leniency, so the connection would be used again.
"""

import re
from collections.abc import Callable

import httpx

from daemon.egress.head import CLEAN_FIELD, LONGEST_LINE, Head, malformed

_MOST_BYTES_WITHOUT_BODY = 1024 * 1024
_MOST_INTERIM = 1_000
_PROTOCOL = b"HTTP/"
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?\r?", re.DOTALL)
_CLEAN_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]+(?:[ \t]*;[\t -~\x80-\xff]*)?\r")
_HEXADECIMAL = b"0123456789abcdefABCDEF"
_LARGEST_CHUNK = 2**64 - 1
_WITHOUT_BODY = (101, 204, 304)


class Response:
    """The state of one response. Feed it data until `enough`; it keeps the first `kept_bytes` of the body.

    `stage` says how far the request has got, in words for the user, and `begun` whether any byte has arrived. `status`
    is None until the final head is complete. Once `complete`, `reusable` says whether the connection may carry another
    request, and `keep_alive_s` for how long the receiver keeps it open, if it says so.
    """

    __slots__ = (
        "_bytes_without_body",
        "_chunk_end",
        "_clean",
        "_ends_with_connection",
        "_head",
        "_interim",
        "_kept_bytes",
        "_left",
        "_line",
        "_read",
        "begun",
        "body",
        "complete",
        "headers",
        "keep_alive_s",
        "reusable",
        "stage",
        "status",
    )

    def __init__(self, kept_bytes: int) -> None:
        self.stage = "connecting"
        self.begun = False
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.complete = False
        self.reusable = False
        self.keep_alive_s: float | None = None
        self._kept_bytes = kept_bytes
        self._head: Head | None = None  # of a head that arrives in pieces or needs lenient parsing
        self._interim = 0
        self._clean = True
        self._line = bytearray()
        self._left = 0  # remaining bytes of the body or of the chunk
        self._chunk_end = b""
        self._bytes_without_body = 0
        self._ends_with_connection = False
        self._read: Callable[[Response, bytes, int], int] = Response._read_start

    @property
    def enough(self) -> bool:
        """Whether the response is complete, or as much of its body has arrived as is kept."""
        return self.complete or len(self.body) == self._kept_bytes

    def feed(self, data: bytes) -> None:
        """Parse data that has arrived. Raises httpx.RemoteProtocolError when it is invalid or exceeds a limit.

        The limits: 1 MiB without a byte of body, for the head, interim responses and trailers together; 1,000 interim
        responses. Errors after the kept part of the body do not make the response fail.
        """
        self.begun = True
        at, end = 0, len(data)
        try:
            while at < end and not self.complete:
                at = self._read(self, data, at)
            if self._bytes_without_body > _MOST_BYTES_WITHOUT_BODY:
                raise httpx.RemoteProtocolError("the receiver sent a head or trailer of more than 1 MiB")
        except httpx.RemoteProtocolError:
            self.reusable = False
            if not self.enough:
                raise
        if at < end:
            self.reusable = False  # these bytes belong to no request of ours

    def end(self, truncated: bool = False) -> None:
        """Take note that the connection ended; `truncated` if TLS did not end cleanly (RFC 9112, 9.8).

        Raises httpx.RemoteProtocolError if the response is incomplete.
        """
        if self.status is None:
            raise httpx.RemoteProtocolError("the receiver closed the connection without a complete response")
        if truncated or not self._ends_with_connection:
            raise httpx.RemoteProtocolError("the receiver closed the connection before its response was complete")
        self.complete = True

    def add_body(self, data: bytes) -> None:
        """Keep as many of these bytes of the body as fit."""
        self._bytes_without_body = 0
        self.body += data[: self._kept_bytes - len(self.body)]

    # -- the parser's states: each parses `data` from `at` on, and returns where the next one continues

    def _read_start(self, data: bytes, at: int) -> int:
        """Parse a head that is complete; otherwise check whether this is HTTP before a whole line has arrived."""
        if not self._line and (whole := Head.whole(data, at)) is not None:
            head, end = whole
            self._bytes_without_body += end - at
            self._end_head(head)
            return end
        return self._skip_empty_lines(data, at)

    def _skip_empty_lines(self, data: bytes, at: int) -> int:
        """RFC 9112, 2.2."""
        if not self._line:
            rest = data[at:].lstrip(b"\r\n")
            self._bytes_without_body += len(data) - at - len(rest)
            at = len(data) - len(rest)
        start = bytes(self._line) + data[at : at + len(_PROTOCOL)]
        if not _PROTOCOL.startswith(start[: len(_PROTOCOL)]):
            malformed("it is another protocol")
        if len(start) < len(_PROTOCOL):
            self._line += data[at:]
            self._bytes_without_body += len(data) - at
            return len(data)
        self._read = Response._read_head
        return at

    def _read_head(self, data: bytes, at: int) -> int:
        head = self._head = self._head or Head()
        line, at = self._next_line(data, at)
        if line is None:
            if head.status is None and _ends_with_carriage_return(self._line):
                malformed("its lines end with carriage returns only")
        elif head.add_line(line):
            self._head = None
            self._end_head(head)
        return at

    def _read_sized(self, data: bytes, at: int) -> int:
        end = min(len(data), at + self._left)
        self.add_body(data[at:end])
        self._left -= end - at
        self.complete = self._left == 0
        return end

    def _read_to_the_end(self, data: bytes, at: int) -> int:
        self.add_body(data[at:])
        return len(data)

    def _read_chunk_size(self, data: bytes, at: int) -> int:
        line, at = self._next_line(data, at)
        if line is None and self._line[0] in _HEXADECIMAL:
            return at
        match = _CHUNK_SIZE.fullmatch(line or b"")
        if line is None or match is None or (size := int(match[1], 16)) > _LARGEST_CHUNK:
            malformed("a chunk's size is invalid")
        if _CLEAN_CHUNK_SIZE.fullmatch(line) is None:
            self.reusable = False
        self._left = size
        self._read = Response._read_chunk if size else Response._read_trailer
        return at

    def _read_chunk(self, data: bytes, at: int) -> int:
        end = min(len(data), at + self._left)
        self.add_body(data[at:end])
        self._left -= end - at
        if not self._left:
            self._read, self._chunk_end = Response._read_chunk_end, b"\r\n"
        return end

    def _read_chunk_end(self, data: bytes, at: int) -> int:
        """Parse CRLF, or leniently a line feed alone."""
        if data[at] != self._chunk_end[0]:
            self._chunk_end = self._chunk_end.removeprefix(b"\r")
            self.reusable = False
        if data[at] != self._chunk_end[0]:
            malformed("a chunk is longer than its size")
        self._chunk_end = self._chunk_end[1:]
        if not self._chunk_end:
            self._read = Response._read_chunk_size
        return at + 1

    def _read_trailer(self, data: bytes, at: int) -> int:
        """Trailers may be discarded (RFC 9110, 6.5.1)."""
        line, at = self._next_line(data, at)
        if line is not None:
            self.reusable = self.reusable and (line == b"\r" or CLEAN_FIELD.fullmatch(line) is not None)
            self.complete = line in (b"\r", b"")
        return at

    def _next_line(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """Return the line without its line feed, or None if it is incomplete; a very long line is cut."""
        found = data.find(b"\n", at)
        end = len(data) if found < 0 else found
        self._bytes_without_body += end - at + 1
        if found >= 0 and not self._line and end - at <= LONGEST_LINE:
            return data[at:end], end + 1
        self._line += data[at : min(end, at + LONGEST_LINE - len(self._line))]
        if found < 0:
            return None, end
        line = bytes(self._line)
        self._line.clear()
        return line, end + 1

    def _end_head(self, head: Head) -> None:
        status = head.status
        assert status is not None
        if status < 200 and status != 101:
            self._end_interim(head)
            return
        self.keep_alive_s = head.keep_alive_s
        self.reusable = self._clean and head.clean and head.keeps_alive and head.has_clear_framing
        self._begin_body(head, status)
        self.status, self.headers = status, head.fields

    def _end_interim(self, head: Head) -> None:
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise httpx.RemoteProtocolError(f"the receiver sent more than {_MOST_INTERIM:,} interim responses")
        self._clean = self._clean and head.clean and head.length is None and not head.has_codings
        self._read = Response._read_start

    def _begin_body(self, head: Head, status: int) -> None:
        if status in _WITHOUT_BODY:
            self.complete = True
            self.reusable = self.reusable and status != 101 and not head.length and not head.has_codings
        elif head.is_chunked:
            self._read = Response._read_chunk_size
        elif head.has_codings or (length := head.body_length()) is None:
            self._read, self._ends_with_connection, self.reusable = Response._read_to_the_end, True, False
        else:
            self._read, self._left, self.complete = Response._read_sized, length, length == 0


def _ends_with_carriage_return(line: bytearray) -> bool:
    end = line.find(b"\r")
    return 0 <= end < len(line) - 1 and line[end + 1 : end + 2] != b"\r"
