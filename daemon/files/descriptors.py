"""How this process's descriptors are shared out: API, store, mail and lookups first, the rest to attempts."""

import resource
from dataclasses import dataclass

# The database and its readers, standard streams, listeners, the event loop, the lock, one mail, and some to spare.
_OWN_DESCRIPTORS = 48
_MOST_FOR_LOOKUPS = 128
_REFUSED_AT_ONCE = 100
UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class DescriptorBudget:
    """How many connections the API may have open, of these how many only to be refused, and attempts at once."""

    api_connections: int
    api_refusals: int
    attempts: int


def raise_descriptor_limit() -> int:
    """Raise this process's limit as far as it may go; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return UNLIMITED if hard == resource.RLIM_INFINITY else min(hard, UNLIMITED)


def share_descriptors(limit: int, max_connections: int) -> DescriptorBudget:
    """Share out `limit` descriptors, where the API is to have `max_connections`: it gets them, up to half of the rest.

    Each part gets at least one, however small the limit.
    """
    rest = max(4, limit - _OWN_DESCRIPTORS - min(_MOST_FOR_LOOKUPS, limit // 8))
    for_api = min(max_connections + _REFUSED_AT_ONCE, rest // 2)
    refusals = min(_REFUSED_AT_ONCE, max(1, for_api // 8))
    connections = min(max_connections, for_api - refusals)
    return DescriptorBudget(connections, refusals, rest - for_api)
