"""One request and its answer, of which neither the length nor the time is the server's to choose.

By Python's own client: httpx brings Trio, HTTP/2 and Rich with it, and takes longer to import than all else of a
command.
"""

import signal
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, IncompleteRead
from urllib.parse import urlsplit

TIMEOUT_S = 30
_LONGEST_ANSWER = 64 * 1024 * 1024
_PART = 64 * 1024


class AnswerTooLong(Exception):
    """No answer of the daemon is as long as this one."""


class AnswerTooSlow(Exception):
    """The answer came on and on, but did not end in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with its whole body; `media_type` is its Content-Type without parameters."""

    status: int
    reason: str
    media_type: str
    body: bytes


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Open the connection. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def open_http(base_url: str, socket_path: str | None) -> HTTPConnection:
    """Return a connection to the API, which is opened with the first request. Raises UnicodeError for a bad name."""
    if socket_path is not None:
        return _UnixConnection(socket_path)
    parts = urlsplit(base_url)
    host = (parts.hostname or "").encode("idna").decode("ascii")
    host.encode("ascii").decode("idna")  # each xn-- label is one
    if parts.scheme.lower() == "https":
        return HTTPSConnection(host, parts.port or 443, timeout=TIMEOUT_S, context=_tls_context())
    return HTTPConnection(host, parts.port or 80, timeout=TIMEOUT_S)


def _tls_context() -> ssl.SSLContext:
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def exchange(
    http: HTTPConnection, method: str, target: str, *, content: bytes | None, headers: Mapping[str, str]
) -> Answer:
    """Send a request and return its answer.

    Raises OSError (TimeoutError among them), http.client.HTTPException, ValueError for what no request can hold,
    AnswerTooLong and AnswerTooSlow.
    """
    with _within(TIMEOUT_S):
        with suppress(BrokenPipeError):  # whoever refuses a long body answers before it has come
            http.request(method, target, content, dict(headers))
        with http.getresponse() as response:
            return whole(response)


def whole(response: HTTPResponse) -> Answer:
    """Read what is left of a response. Raises AnswerTooLong and IncompleteRead."""
    return Answer(response.status, response.reason, media_type=_media_type(response), body=_read(response))


def _read(response: HTTPResponse) -> bytes:
    body = bytearray()
    while part := response.read(_PART):
        body += part
        if len(body) > _LONGEST_ANSWER:
            raise AnswerTooLong
    if response.length:  # is left of what was announced
        raise IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _media_type(response: HTTPResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0]


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Bound all of it: a timeout bounds each wait alone, and one byte a second would never end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _too_slow)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_slow(_number: int, _frame: object) -> None:
    raise AnswerTooSlow
