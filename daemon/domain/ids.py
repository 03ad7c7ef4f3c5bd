"""How ids are made: they tell roughly when, and cannot be guessed."""

import os
from collections.abc import Callable
from hashlib import blake2b

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_OF_BYTES = (_CROCKFORD * 8).encode()  # each of the 32 for as many of the 256 bytes
_CHANCE = 16  # characters of 5 bits


def ids_maker(
    now_ms: Callable[[], int], entropy: Callable[[int], bytes] = os.urandom
) -> Callable[[str, int], list[str]]:
    """Return a function that makes so many ids like `dlv_01k…`: a prefix, 10 characters of time and 16 random ones.

    Ids sort roughly by the time they were made, which keeps index pages together; the exact order is `seq`.
    """

    def make(prefix: str, count: int) -> list[str]:
        start = f"{prefix}_{_pairs(now_ms() & (1 << 48) - 1, 50)}"
        chance = entropy(_CHANCE * count).translate(_OF_BYTES).decode()
        return [start + chance[place : place + _CHANCE] for place in range(0, len(chance), _CHANCE)]

    return make


def _pairs(number: int, bits: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(bits - 10, -10, -10)])


def fan_out_delivery_id(event_id: str, webhook_id: str) -> str:
    """Return a fan-out's delivery id for an event and a webhook: the event's time and a digest of both ids."""
    digest = int.from_bytes(blake2b(f"{event_id} {webhook_id}".encode(), digest_size=10).digest())
    time = event_id.partition("_")[2][:10]
    return f"dlv_{time}{_pairs(digest, 80)}"
