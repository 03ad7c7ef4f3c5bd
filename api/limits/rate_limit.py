"""How much a key may ask for: a token bucket for each (contract "Budgets of a team", "Configuration").

A request costs one token, and more for what it makes the daemon do. It is let in while there is one token; what it
costs beyond that is a debt, which the requests behind it wait for. So what is known only afterwards counts in full.
A bucket is kept as one number: the time at which it is full again. So a full bucket needs no memory at all.

What is left is told with each answer, in the fields of draft-ietf-httpapi-ratelimit-headers: `q` is the burst, `w` the
seconds in which an empty bucket fills, `r` the requests that may come at once. `t` is when it is full again, or, with
none left, when there is one: then it is the same as `Retry-After`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, floor

import trio

from daemon.config.settings import ApiSettings
from daemon.crypto.api_keys import Principal
from daemon.domain.submission import Receipt

_SWEEP_EVERY = 1_000
_ROUNDING_S = 1e-6  # what adding up many waits may be off by
_POLICY = '"default"'

BYTES_PER_TOKEN = 64 * 1024
DELIVERIES_PER_TOKEN = 100
ROWS_PER_TOKEN = 1_000


def tokens_for_receipts(receipts: Iterable[Receipt]) -> int:
    """Return what a submission costs for its deliveries: nothing for those that an earlier one made."""
    return tokens_for(deliveries=sum(receipt.deliveries for receipt in receipts if not receipt.replayed))


def tokens_for(*, size_bytes: int = 0, deliveries: int = 0, rows: int = 0) -> int:
    """Return what a request costs beside its one token: bytes of its body, deliveries it makes, rows it looks at."""
    return size_bytes // BYTES_PER_TOKEN + deliveries // DELIVERIES_PER_TOKEN + rows // ROWS_PER_TOKEN


@dataclass(slots=True)
class Buckets:
    """One bucket for each key that has asked lately: `per_s` tokens flow in each second, `burst` is what it holds.

    A full bucket is forgotten: there are at most as many as have asked within the time in which one fills.
    """

    per_s: float
    burst: int
    _full_at: dict[str, float] = field(default_factory=dict)
    _taken: int = 0
    policy: str = field(init=False)

    def __post_init__(self) -> None:
        self.policy = f"{_POLICY};q={self.burst};w={max(1, ceil(self.burst / self.per_s))}"

    def take(self, key_id: str, now_s: float, extra: int = 0) -> int | None:
        """Take a token, and `extra` ones; if there is not one, return the whole seconds after which there is."""
        self._sweep(now_s)
        full_at = max(self._full_at.get(key_id, now_s), now_s)
        missing_s = self._missing_s(full_at - now_s)
        if missing_s > _ROUNDING_S:
            return _whole_seconds(missing_s)
        self._full_at[key_id] = full_at + (1 + extra) / self.per_s
        return None

    def left(self, key_id: str, now_s: float) -> tuple[int, int]:
        """Return how many requests may come at once, and the seconds until all may, or, if none, until one may."""
        fills_in_s = max(0.0, self._full_at.get(key_id, now_s) - now_s)
        left = floor(self.burst - (fills_in_s - _ROUNDING_S) * self.per_s)
        if left > 0:
            return min(left, self.burst), ceil(fills_in_s - _ROUNDING_S)
        return 0, _whole_seconds(self._missing_s(fills_in_s))

    def charge(self, key_id: str, now_s: float, tokens: int) -> None:
        """Take so many tokens, though there may be fewer."""
        self._full_at[key_id] = max(self._full_at.get(key_id, now_s), now_s) + tokens / self.per_s

    def __len__(self) -> int:
        return len(self._full_at)

    def _missing_s(self, fills_in_s: float) -> float:
        """How long until there is a token, for a bucket that is full in so many seconds."""
        return fills_in_s - (self.burst - 1) / self.per_s

    def _sweep(self, now_s: float) -> None:
        """Forget the buckets that are full: now and then, so that it costs nothing."""
        self._taken += 1
        if self._taken % _SWEEP_EVERY == 0:
            self._full_at = {key_id: full_at for key_id, full_at in self._full_at.items() if full_at > now_s}


def _whole_seconds(missing_s: float) -> int:
    return max(1, ceil(missing_s - _ROUNDING_S))


class RateLimits:
    """The buckets of all keys. `settings()` are those in effect: when they change, all begin with full buckets.

    A rate of 0 is no limit.
    """

    def __init__(self, settings: Callable[[], ApiSettings]) -> None:
        self._settings = settings
        self._made = _both(settings())

    def take(self, principal: Principal, extra: int = 0) -> int | None:
        """Take a token for a request, and `extra` ones: None, or the whole seconds until there is one."""
        buckets = self._of(principal)
        return None if buckets is None else buckets.take(principal.key_id, trio.current_time(), extra)

    def charge(self, principal: Principal, tokens: int) -> None:
        """Have a request that was let in cost so much more."""
        if tokens and (buckets := self._of(principal)) is not None:
            buckets.charge(principal.key_id, trio.current_time(), tokens)

    def headers(self, principal: Principal) -> tuple[tuple[str, str], ...]:
        """Return what an answer tells of the limit that governs it: nothing if none does."""
        buckets = self._of(principal)
        if buckets is None or not principal.key_id:
            return ()
        left, more_in_s = buckets.left(principal.key_id, trio.current_time())
        return (("RateLimit", f"{_POLICY};r={left};t={more_in_s}"), ("RateLimit-Policy", buckets.policy))

    def _of(self, principal: Principal) -> Buckets | None:
        if self._made.settings is not (present := self._settings()):
            self._made = _both(present)
        return self._made.operator if principal.is_operator else self._made.teams


@dataclass(frozen=True, slots=True)
class _Both:
    settings: ApiSettings
    teams: Buckets | None
    operator: Buckets | None


def _both(settings: ApiSettings) -> _Both:
    return _Both(
        settings,
        _buckets(settings.rate_limit_per_s, settings.rate_limit_burst),
        _buckets(settings.operator_rate_limit_per_s, settings.rate_limit_burst),
    )


def _buckets(per_s: float, burst: int) -> Buckets | None:
    return Buckets(per_s, burst) if per_s else None
