"""A request and its response without ASGI and Quart, for the fast lane (architecture "The HTTP server").

They are what the same request and response are on the general way, to the byte: a test compares.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Literal

from werkzeug.datastructures import MultiDict

from api.http.security_headers import SAFETY_HEADERS

_NO_QUERY: MultiDict[str, str] = MultiDict()
_SAFETY = b"".join(b"%s: %s\r\n" % (name.lower().encode(), value.encode()) for name, value in SAFETY_HEADERS.items())


class ClientGone(Exception):
    """The client went away in the middle of its request."""


class PlainHeaders:
    """The fields of a head: the values of each, in order, by its name in small letters."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def get(self, name: str, default: Any = None, /) -> Any:
        """Return the first value of a field, or `default`."""
        values = self._values.get(name.lower())
        return default if values is None else values[0]

    def getlist(self, name: str, /) -> list[str]:
        """Return all values of a field, in order."""
        return self._values.get(name.lower(), [])

    def items(self) -> Sequence[tuple[str, str]]:
        """Return each field with its value."""
        return [(name, value) for name, values in self._values.items() for value in values]


@dataclass(slots=True)
class PlainRequest:
    """A POST without a query, as `api.http.request.HttpRequest`; `read_body(timeout_s)` returns its body.

    `read_body` raises Werkzeug's RequestTimeout, and ClientGone.
    """

    path: str
    headers: PlainHeaders
    mimetype: str
    content_length: int
    scope: Mapping[str, Any]
    read_body: Callable[[float], Awaitable[bytes]]
    body_timeout_s: float = 0

    @property
    def method(self) -> str:
        """Its method."""
        return "POST"

    @property
    def args(self) -> MultiDict[str, str]:
        """Its query."""
        return _NO_QUERY

    @property
    def query_string(self) -> bytes:
        """Its query, as it came."""
        return b""

    async def get_data(self, cache: bool, as_text: Literal[False], parse_form_data: Literal[False]) -> bytes:
        """Return its body as it came. Raises like `read_body`."""
        return await self.read_body(self.body_timeout_s)


@dataclass(frozen=True, slots=True)
class PlainResponse:
    """A response: its status, its own headers beside those that all have, and its body."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


PlainView = Callable[[PlainRequest], Awaitable[PlainResponse]]


def render(response: PlainResponse, *, now_s: float, is_last: bool) -> bytes:
    """Return a response as it goes over the wire, as h11 writes it; `is_last` says that the connection ends with it."""
    media_type, *others = response.headers
    head = b"HTTP/1.1 %d \r\n%scontent-length: %d\r\n%s%sdate: %s\r\n%s\r\n" % (
        response.status,
        _field(*media_type),
        len(response.body),
        b"".join(_field(*each) for each in others),
        _SAFETY,
        _date(int(now_s)),
        b"connection: close\r\n" if is_last else b"",
    )
    return head + response.body


def _field(name: str, value: str) -> bytes:
    return f"{name.lower()}: {value}\r\n".encode("latin-1")


@lru_cache(maxsize=1)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode()
