"""When a failed attempt is made again: schedules, jitter and Retry-After, as pure functions (contract "A delivery").

What follows from an attempt, and whether there is a next one, is decided in `daemon.domain.lifecycle`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

MOST_RETRIES = 20
SHORTEST_DELAY_S, LONGEST_DELAY_S = 1, 24 * 60 * 60
# However long a receiver asks us to stay away.
LONGEST_RETRY_AFTER_S = 24 * 60 * 60


class NamedSchedule(StrEnum):
    """Schedules that have a name: that of the settings, and the example of the Standard Webhooks specification."""

    SHORT = "short"
    STANDARD = "standard"


class Jitter(StrEnum):
    """By how much chance changes a delay: to anything up to it, or by a fifth at most."""

    FULL = "full"
    PROPORTIONAL = "proportional"


class WhileRetrying(StrEnum):
    """What becomes of a webhook's order while a delivery waits for its retry: the others wait, or it steps aside."""

    HOLD = "hold"
    STEP_ASIDE = "step_aside"


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Deliverability and
# reliability": each counts from the attempt before it.
_STANDARD_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
_SCHEDULES: Mapping[NamedSchedule, tuple[float, ...] | None] = MappingProxyType(
    {NamedSchedule.SHORT: None, NamedSchedule.STANDARD: _STANDARD_S}
)
_LEAST_AND_MOST: Mapping[Jitter, tuple[float, float]] = MappingProxyType(
    {Jitter.FULL: (0.0, 1.0), Jitter.PROPORTIONAL: (0.8, 1.2)}
)

# RFC 9110, 5.6.7: all three have to be read.
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
_WHOLE_SECONDS = re.compile(r"[0-9]+", re.ASCII)
_MOST_DIGITS = 10


def delays_of(schedule: NamedSchedule | tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return the seconds before each retry, None for those of the settings."""
    return _SCHEDULES[schedule] if isinstance(schedule, NamedSchedule) else schedule


def jittered(delay_s: float, jitter: Jitter | None, chance: float) -> float:
    """Return the delay as `chance`, from 0 to 1, has it."""
    if jitter is None:
        return delay_s
    least, most = _LEAST_AND_MOST[jitter]
    return delay_s * (least + (most - least) * chance)


def longest_s(delay_s: float, jitter: Jitter | None) -> float:
    """Return the most that `jittered` makes of a delay."""
    return jittered(delay_s, jitter, 1.0)


def retry_after_s(headers: Sequence[tuple[str, str]], now: int) -> float | None:
    """Return for how many seconds a response of `now` (milliseconds) asks not to come again, at most a day.

    None if it does not ask, or not as RFC 9110 has it: one field, with whole seconds or a date.
    """
    values = [value.strip() for name, value in headers if name.lower() == "retry-after"]
    if len(values) != 1:
        return None
    asked_s = _seconds_of(values[0], now)
    return None if asked_s is None else min(max(0.0, asked_s), LONGEST_RETRY_AFTER_S)


def _seconds_of(value: str, now: int) -> float | None:
    if _WHOLE_SECONDS.fullmatch(value):
        return float(value) if len(value) <= _MOST_DIGITS else LONGEST_RETRY_AFTER_S
    for form in _DATES:
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC).timestamp() - now / 1000
        except ValueError:
            continue
    return None
