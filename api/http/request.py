"""The request as Quart makes it, with the limits of its body (contract "HTTP API": 413)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from quart_trio.wrappers import TrioRequest

from api.routes.submission import KIB, MAX_BATCH_BYTES, MAX_REQUEST_BYTES

DEFAULT_LIMIT = 64 * KIB
BODY_LIMITS: Mapping[str, int] = MappingProxyType(
    {"/v1/events": MAX_REQUEST_BYTES, "/v1/events/batch": MAX_BATCH_BYTES}
)


class ApiRequest(TrioRequest):
    """A request whose body may be as long as its path allows; the excess is never kept in memory."""

    def __init__(self, method: str, scheme: str, path: str, *arguments: Any, **options: Any) -> None:
        options["max_content_length"] = BODY_LIMITS.get(path, DEFAULT_LIMIT)
        super().__init__(method, scheme, path, *arguments, **options)
