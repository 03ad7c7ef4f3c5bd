"""How long a body, an event, a batch and a page of a list may be (contract "HTTP API")."""

from collections.abc import Mapping
from types import MappingProxyType

KIB = 1024
MAX_HEAD_BYTES = 16 * KIB
MAX_EVENT_BYTES = 256 * KIB
MAX_REQUEST_BYTES = 2 * MAX_EVENT_BYTES  # escapes and white space make a request longer than its event
MAX_BATCH_BYTES = 8 * KIB * KIB
MAX_BATCH_EVENTS = 1000
MAX_INLINE_PARSE_BYTES = 16 * KIB  # are judged within a few milliseconds, whatever they are

MAX_PAGE = 200
MAX_NAMED = 1_000
MAX_OVERLAP_HOURS = 720
MAX_PAUSE_DAYS = 366

_MAX_BODY_BYTES = 64 * KIB
MAX_BODY_BYTES_OF_PATH: Mapping[str, int] = MappingProxyType(
    {"/v1/events": MAX_REQUEST_BYTES, "/v1/events/batch": MAX_BATCH_BYTES}
)
# These may name many deliveries; they do not take the fast lane.
_MAX_BODY_BYTES_OF_OTHERS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("/v1/bulk-jobs", "/v1/bulk-jobs/preview"), MAX_REQUEST_BYTES)
)


def max_body_bytes(path: str) -> int:
    """Return how long the body of a request for this path may be."""
    return MAX_BODY_BYTES_OF_PATH.get(path) or _MAX_BODY_BYTES_OF_OTHERS.get(path, _MAX_BODY_BYTES)
