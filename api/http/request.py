"""The request as the views see it, and as Quart makes it, with the limits of its body (contract "HTTP API": 413)."""

from typing import Any, Literal, Protocol

from quart_trio.wrappers import TrioRequest

from api.limits.sizes import max_body_bytes


class HttpRequest(Protocol):
    """What is asked, however it came: the part of Quart's request that is used for routes with a key."""

    @property
    def method(self) -> str:
        """Its method, in capitals."""

    @property
    def path(self) -> str:
        """Its path, decoded."""

    @property
    def headers(self) -> Any:
        """The fields of its head, by names in any case: Werkzeug's Headers, or what has its get, getlist and items."""

    @property
    def args(self) -> Any:
        """Its query, as Werkzeug's MultiDict."""

    @property
    def query_string(self) -> bytes:
        """Its query, as it came."""

    @property
    def scope(self) -> Any:
        """What ASGI tells of it."""

    @property
    def mimetype(self) -> str:
        """Its media type, in small letters and without parameters."""

    @property
    def content_length(self) -> int | None:
        """How long its body is, as its head says."""

    async def get_data(self, cache: bool, as_text: Literal[False], parse_form_data: Literal[False]) -> bytes:
        """Return its body as it came. Raises Werkzeug's errors for 408 and 413."""


class ApiRequest(TrioRequest):
    """A request whose body may be as long as its path allows; the excess is never kept in memory."""

    def __init__(self, method: str, scheme: str, path: str, *arguments: Any, **options: Any) -> None:
        options["max_content_length"] = max_body_bytes(path)
        super().__init__(method, scheme, path, *arguments, **options)
