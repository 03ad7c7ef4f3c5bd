"""How often a key may ask: a token bucket for each (contract "Configuration", `[api]`).

A bucket is kept as one number: the time at which it is full again. So a full bucket needs no memory at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

import trio

from daemon.config import ApiSettings
from daemon.keyring import Principal

_SWEEP_EVERY = 1_000
_ROUNDING_S = 1e-6  # what adding up many waits may be off by

TakeToken = Callable[[Principal], int | None]


@dataclass(slots=True)
class Buckets:
    """One bucket for each key that has asked lately: `per_s` tokens flow in each second, `burst` is what it holds.

    It is asked about known keys only, so that no stranger can make it grow.
    """

    per_s: float
    burst: int
    _full_at: dict[str, float] = field(default_factory=dict)
    _taken: int = 0

    def take(self, key_id: str, now_s: float) -> int | None:
        """Take a token; if there is none, return the whole seconds after which there is one."""
        self._sweep(now_s)
        full_at = max(self._full_at.get(key_id, now_s), now_s) + 1 / self.per_s
        missing_s = full_at - now_s - self.burst / self.per_s
        if missing_s > _ROUNDING_S:
            return max(1, ceil(missing_s - _ROUNDING_S))
        self._full_at[key_id] = full_at
        return None

    def __len__(self) -> int:
        return len(self._full_at)

    def _sweep(self, now_s: float) -> None:
        """Forget the buckets that are full: now and then, so that it costs nothing."""
        self._taken += 1
        if self._taken % _SWEEP_EVERY == 0:
            self._full_at = {key_id: full_at for key_id, full_at in self._full_at.items() if full_at > now_s}


def rate_limits(settings: Callable[[], ApiSettings]) -> TakeToken:
    """Return what takes a token for a principal: None, or the whole seconds until there is one. A rate of 0 is none.

    `settings()` are those in effect: when they change, all begin with full buckets.
    """
    made = _both(settings())

    def take(principal: Principal) -> int | None:
        nonlocal made
        if made.settings is not (present := settings()):
            made = _both(present)
        buckets = made.operator if principal.is_operator else made.teams
        return None if buckets is None else buckets.take(principal.key_id, trio.current_time())

    return take


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
