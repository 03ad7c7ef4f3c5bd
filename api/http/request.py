"""The request as Quart makes it, with the limits of its body (contract "HTTP API": 413)."""

from typing import Any

from quart_trio.wrappers import TrioRequest

from api.limits.sizes import max_body_bytes


class ApiRequest(TrioRequest):
    """A request whose body may be as long as its path allows; the excess is never kept in memory."""

    def __init__(self, method: str, scheme: str, path: str, *arguments: Any, **options: Any) -> None:
        options["max_content_length"] = max_body_bytes(path)
        super().__init__(method, scheme, path, *arguments, **options)
