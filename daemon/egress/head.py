"""The head of a response, parsed line by line, leniently where its meaning is clear (RFC 9112, 2.2, 5 and 6.3).

Other clients accept a folded field, a bare line feed, or a space before the colon. So does this parser, but such a head
is not `clean`: two implementations may read it differently, so its connection is not used again.
"""

import re
from typing import NoReturn

import httpx

LONGEST_LINE = 64 * 1024
_MOST_FIELDS = 100
_MOST_FIELD_BYTES = 64 * 1024
_LARGEST_LENGTH = 2**64 - 1

_STATUS = re.compile(rb"HTTP/1\.([01])[ \t]+([1-9][0-9]{2})(?:[ \t][^\0\r]*)?\r*")
_CLEAN_STATUS = re.compile(rb"HTTP/1\.[01] [1-9][0-9]{2}(?: [\t -~\x80-\xff]*)?\r")
CLEAN_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r")
# The minor version, status and fields of a complete head. Possessive quantifiers: each byte is visited once.
_CLEAN_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*+)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+(?<![ \t])\r\n)*+)\r\n"
)
_FIELDS = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
_PLAIN_LENGTH = re.compile(rb"[0-9]{1,19}")
_LENGTH = re.compile(rb"\+?([0-9]+)")
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})


class Head:
    """One head, as its lines arrive. `status` is None before the status line; `fields` are the fields that are kept.

    Keeps at most 100 fields and 64 KiB of them: a field that does not fit is skipped, later ones may still fit. Fields
    that determine where the response ends are always read. `clean` says whether the head follows RFC 9112 strictly.
    """

    __slots__ = (
        "_codings",
        "_field",
        "_minor",
        "_options",
        "_room",
        "clean",
        "fields",
        "keep_alive_s",
        "length",
        "status",
    )

    def __init__(self) -> None:
        self.status: int | None = None
        self.fields: list[tuple[bytes, bytes]] = []
        self.clean = True
        self.length: int | None = None
        self.keep_alive_s: float | None = None
        self._minor = 1
        self._field: bytes | bytearray = b""
        self._room = _MOST_FIELD_BYTES
        self._options: list[bytes] = []
        self._codings: list[bytes] = []

    @classmethod
    def whole(cls, data: bytes, at: int) -> tuple["Head", int] | None:
        """Return the head that begins at `at`, and where it ends, if it is complete, clean and small, as most are."""
        match = _CLEAN_HEAD.match(data, at)
        if match is None or match.end() - at > _MOST_FIELD_BYTES:
            return None
        head = cls()
        head.fields = _FIELDS.findall(data, *match.span(3))
        if len(head.fields) > _MOST_FIELDS:
            return None
        head._minor, head.status = int(match[1]), int(match[2])
        for name, value in head.fields:
            lowered = name.lower()
            if lowered == b"content-length" and head.length is None and _PLAIN_LENGTH.fullmatch(value):
                head.length = int(value)  # the usual case
            elif lowered in _FRAMING:
                head._read_framing(lowered, value.lower())
        return head, match.end()

    def add_line(self, line: bytes) -> bool:
        """Parse the next line, given without its line feed; return whether it was the empty line that ends the head.

        Raises httpx.RemoteProtocolError if the line cannot be part of a head.
        """
        if self.status is None:
            self._read_status(line)
            return False
        if line[:1] in (b" ", b"\t") and self._field:
            self._unfold(line)
            return False
        self._end_field()
        if line.strip(b"\r"):
            self._field = line
            return False
        self.clean = self.clean and line == b"\r"
        return True

    @property
    def is_chunked(self) -> bool:
        """Whether the body is framed by the chunked coding (RFC 9112, 6.3)."""
        return self._codings[-1:] == [b"chunked"]

    @property
    def has_codings(self) -> bool:
        """Whether the body has a transfer coding, in which case Content-Length does not count."""
        return bool(self._codings)

    @property
    def keeps_alive(self) -> bool:
        """Whether the receiver keeps the connection open for another request (RFC 9112, 9.3)."""
        return b"close" not in self._options and (self._minor == 1 or b"keep-alive" in self._options)

    @property
    def has_clear_framing(self) -> bool:
        """Whether every implementation agrees on where the body ends."""
        if not self._codings:
            return True
        return self.length is None and self._minor == 1 and self._codings.count(b"chunked") == 1

    def body_length(self) -> int | None:
        """Return the body's length, None if none is given. Raises httpx.RemoteProtocolError if it is invalid."""
        if self.length is not None and self.length < 0:
            malformed("its Content-Length is invalid")
        return self.length

    def _read_status(self, line: bytes) -> None:
        match = _STATUS.fullmatch(line)
        if match is None:
            malformed("its status line is invalid")
        self._minor, self.status = int(match[1]), int(match[2])
        self.clean = _CLEAN_STATUS.fullmatch(line) is not None

    def _unfold(self, line: bytes) -> None:
        self.clean = False
        if len(self._field) < LONGEST_LINE:
            self._field = bytearray(self._field).rstrip() if isinstance(self._field, bytes) else self._field
            self._field += b" " + line.strip()

    def _end_field(self) -> None:
        line, self._field = self._field, b""
        if not line:
            return
        match = CLEAN_FIELD.fullmatch(line)
        if match is not None:
            name, value = match.groups()
        else:
            name, value = self._parse_leniently(bytes(line))
        value = value.strip(b" \t")
        if name.lower() in _FRAMING:
            self._read_framing(name.lower(), value.lower())
        self._keep(name, value)

    def _parse_leniently(self, line: bytes) -> tuple[bytes, bytes]:
        self.clean = False
        name, colon, value = line.partition(b":")
        if not colon or b"\0" in line or name[:1] in (b" ", b"\t"):
            malformed("a line of its head is not a header field")
        return name.rstrip(b" \t"), value.rstrip(b"\r").replace(b"\r", b" ")

    def _keep(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value)
        if name and size <= self._room and len(self.fields) < _MOST_FIELDS:
            self._room -= size
            self.fields.append((name, value))
        else:
            self.clean = False

    def _read_framing(self, name: bytes, value: bytes) -> None:
        match name:
            case b"content-length":
                for part in value.split(b","):
                    self._read_length(part.strip())
            case b"transfer-encoding":
                codings = [coding.strip() for coding in value.split(b",")]
                self._codings += [coding for coding in codings if coding not in (b"", b"identity")]
                self.clean = self.clean and b"identity" not in value and b"" not in codings
            case b"connection":
                self._options += [option.strip() for option in value.split(b",")]
            case _:
                self.keep_alive_s = _timeout_parameter(value)

    def _read_length(self, value: bytes) -> None:
        match = _LENGTH.match(value)
        length = int(match[1]) if match is not None and len(match[1]) <= 20 else -1
        length = length if length <= _LARGEST_LENGTH else -1
        self.clean = self.clean and self.length is None and value.isdigit()
        self.length = length if self.length in (None, length) else -1


def malformed(what: str) -> NoReturn:
    """Raise httpx.RemoteProtocolError: the response is not valid HTTP, because of `what`."""
    raise httpx.RemoteProtocolError(f"the receiver's response is not valid HTTP/1.1 ({what})")


def _timeout_parameter(value: bytes) -> float | None:
    for parameter in value.split(b","):
        name, _, number = parameter.partition(b"=")
        if name.strip() == b"timeout" and number.strip().isdigit():
            return float(number[:9])
    return None
