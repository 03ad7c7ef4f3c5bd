"""One response as it arrives: parsed by llhttp, bounded, never decoded (contract "An attempt"; RFC 9112)."""

import httptools
import httpx

_MOST_HEADERS = 100
_LONGEST_HEAD = 64 * 1024
_MOST_INTERIM = 10
_PROTOCOL = b"HTTP/"


class Response:
    """The state of one response. Feed it what arrives until `enough`: it keeps the first `kept_bytes` of the body.

    `stage` says how far its request has got, for a person, and `begun` whether any byte has come. `status` is None until
    the final head is complete; `reusable` says, once `complete`, whether the connection may carry another request, and
    `keep_alive_s` for how long the receiver says it keeps it.
    """

    __slots__ = (
        "_bytes_without_body",
        "_ends_with_connection",
        "_head_bytes",
        "_interim",
        "_kept_bytes",
        "_parser",
        "_start",
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
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._start = b""
        self._kept_bytes = kept_bytes
        self._interim = 0
        self._head_bytes = 0
        self._bytes_without_body = 0
        self._ends_with_connection = False

    @property
    def enough(self) -> bool:
        """Whether the response is complete, or as much of its body is here as is kept."""
        return self.complete or len(self.body) == self._kept_bytes

    def feed(self, data: bytes) -> None:
        """Take what arrived. Raises httpx.RemoteProtocolError when it is malformed or breaks a bound.

        The bounds: 64 KiB and 100 fields for the head, with its interim responses and trailers; 10 interim responses.
        What is wrong behind the end, or behind the part of the body that is kept, is no failure of the response.
        """
        self.begun = True
        if len(self._start) < len(_PROTOCOL):
            self._check_start(data)
        self._bytes_without_body += len(data)
        parser = self._parser
        assert parser is not None, "a complete response takes no more"
        try:
            parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ or error)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"the receiver's response is not valid HTTP/1.1 ({error})"))
        if self._bytes_without_body > _LONGEST_HEAD:
            self._fail(_too_much("a head or trailer of more than 64 KiB"))
        if self.complete:
            self._parser = None  # it refers back to this object: do not leave the pair to the garbage collector

    def end(self, truncated: bool = False) -> None:
        """The connection ended; `truncated` when it was cut, so that what came may not be all (RFC 9112, 9.8).

        Raises httpx.RemoteProtocolError when the response was not complete without that.
        """
        if self.status is None:
            raise httpx.RemoteProtocolError("the receiver closed the connection without a complete response")
        if truncated or not self._ends_with_connection:
            raise httpx.RemoteProtocolError("the receiver closed the connection before its response was complete")
        self.complete = True
        self._parser = None

    def _check_start(self, data: bytes) -> None:
        self._start = (self._start + data).lstrip(b"\r\n")[: len(_PROTOCOL)]
        if not _PROTOCOL.startswith(self._start):  # llhttp takes RTSP for HTTP, too
            raise httpx.RemoteProtocolError("the receiver's response is not valid HTTP/1.1 (it is another protocol)")

    def _fail(self, error: BaseException) -> None:
        self.reusable = False  # what follows is not for us, nor would be what comes next
        if not self.enough:
            raise error

    def on_message_begin(self) -> None:
        """Parser callback."""
        if self.complete:
            raise _too_much("a second response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser callback: a field of a head or a trailer."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _LONGEST_HEAD:
            raise _too_much("a head of more than 64 KiB")
        if len(self.headers) == _MOST_HEADERS:
            raise _too_much(f"more than {_MOST_HEADERS} header fields")
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Parser callback: an interim or the final head is there."""
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        if status < 100 or not parser.get_http_version().startswith("1."):
            raise httpx.RemoteProtocolError("the receiver's response is not valid HTTP/1.1 (version or status)")
        if status < 200 and status != 101:
            self._interim += 1
            return
        self.status = status
        self.reusable = parser.should_keep_alive() and status != 101
        self._read_framing()

    def on_body(self, body: bytes) -> None:
        """Parser callback."""
        self._bytes_without_body = 0
        self.body += body[: self._kept_bytes - len(self.body)]

    def on_message_complete(self) -> None:
        """Parser callback: an interim or the final response is over."""
        if self.status is not None:
            self.complete = True
            return
        if self._interim > _MOST_INTERIM:
            raise _too_much(f"more than {_MOST_INTERIM} interim responses")
        self.headers.clear()

    def _read_framing(self) -> None:
        has_length, codings = False, b""
        for name, value in self.headers:
            match name.lower():
                case b"content-length":
                    has_length = True
                case b"transfer-encoding":
                    codings = value  # of several fields the last has the last coding, which is the one that frames
                case b"keep-alive":
                    self.keep_alive_s = _timeout_parameter(value)
        is_chunked = codings.rpartition(b",")[2].strip().lower() == b"chunked"
        self._ends_with_connection = not (has_length or is_chunked)


def _timeout_parameter(value: bytes) -> float | None:
    for parameter in value.lower().split(b","):
        name, _, number = parameter.partition(b"=")
        if name.strip() == b"timeout" and number.strip().isdigit():
            return float(number[:9])
    return None


def _too_much(what: str) -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"the receiver sent {what}")
